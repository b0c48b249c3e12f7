//! The oracle agrees with the parser on good images, on damaged ones, and on every input that once broke a rule.

mod judge {
    use pe_oracle::mutate::{Random, mutate};
    use pe_oracle::{Verdict, builder, judge, seeds};

    #[test]
    fn every_driver_of_ours_is_accepted_and_read_the_same() {
        let seeds = seeds::all().unwrap();
        assert!(seeds.len() > 10, "drivers/bin holds only {} drivers", seeds.len());
        for (name, bytes) in seeds {
            assert_eq!(judge(&bytes), Ok(Verdict::Accepted), "{name}");
        }
        for entry in std::fs::read_dir(seeds::drivers()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "sys") {
                assert_eq!(
                    judge(&std::fs::read(&path).unwrap()),
                    Ok(Verdict::Accepted),
                    "{}",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn damaged_images_are_refused_or_read_the_same() {
        let good = seeds::all().unwrap();
        let mut random = Random::new(1);
        let (mut accepted, mut refused) = (0, 0);
        for input in 0..4_000 {
            let (name, bytes) = &good[random.below(good.len())];
            let mut file = bytes.clone();
            mutate(&mut file, bytes.len() + 0x1000, &mut random);
            match judge(&file) {
                Ok(Verdict::Refused) => refused += 1,
                Ok(_) => accepted += 1,
                Err(difference) => panic!("input {input} (from {name}): {difference}"),
            }
        }
        assert!(
            accepted > 400 && refused > 400,
            "the damage is one-sided: {accepted} accepted, {refused} refused"
        );
    }

    #[test]
    fn inputs_that_once_broke_a_rule_keep_it_now() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions/pe");
        let mut judged = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if let Err(difference) = judge(&std::fs::read(&path).unwrap()) {
                panic!("{}: {difference}", path.display());
            }
            judged += 1;
        }
        assert!(judged > 0, "fuzz/regressions/pe is empty");
    }

    #[test]
    fn the_oracle_reads_what_an_image_of_every_directory_holds() {
        assert_eq!(judge(&builder::full().build()), Ok(Verdict::Accepted));
        assert_eq!(judge(b"MZ"), Ok(Verdict::Refused));
    }
}
