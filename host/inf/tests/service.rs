//! Which service and which instances come out of an INF file.

use inf_file::{Inf, InfError, ServiceDefinition};

fn service(text: &str) -> Result<ServiceDefinition, InfError> {
    Inf::parse(text.as_bytes(), "test.inf")?.driver_service()
}

/// An INF with a service section that adds `rows` to the registry.
fn with_rows(rows: &str) -> String {
    format!(
        "[DefaultInstall.NTamd64.Services]\nAddService = %Name%,,Sample.Service\n[Sample.Service]\n\
         DisplayName = \"Sample filter\"\nServiceBinary = %13%\\%Name%.sys\nServiceType = 2\nStartType = 3\n\
         ErrorControl = 0x1\nLoadOrderGroup = \"FSFilter Activity Monitor\"\nDependencies = FltMgr, +Base\n\
         AddReg = Sample.Rows\n[Sample.Rows]\n{rows}\n[Strings]\nName = \"sample\"\nTop = \"Top Instance\"\n"
    )
}

mod driver_service {
    use inf_file::{Inf, InfErrorKind, OsVersion, RegistryData, Root};

    use super::{service, with_rows};

    #[track_caller]
    fn refused(text: &str) -> (Option<u32>, String) {
        let error = service(text).unwrap_err();
        (error.line, error.to_string())
    }

    fn data(rows: &str) -> Vec<RegistryData> {
        service(&with_rows(rows)).unwrap().registry.into_iter().map(|value| value.data).collect()
    }

    #[test]
    fn service_section_gives_the_service() {
        let service = service(&with_rows("")).unwrap();
        assert_eq!(service.name, "sample");
        assert_eq!(service.display_name.as_deref(), Some("Sample filter"));
        assert_eq!(service.description, None);
        assert_eq!(service.binary.as_deref(), Some("sample.sys"));
        assert_eq!((service.service_type, service.start_type, service.error_control), (2, 3, 1));
        assert_eq!(service.load_order_group.as_deref(), Some("FSFilter Activity Monitor"));
        assert_eq!(service.dependencies, ["FltMgr", "+Base"]);
    }

    /// One install section per suffix; the service is named after its place in the list.
    fn decorated(suffixes: &[&str]) -> String {
        let mut text = String::new();
        for (index, suffix) in suffixes.iter().enumerate() {
            text += &format!(
                "[DefaultInstall{suffix}]\nCopyFiles=F\n[DefaultInstall{suffix}.Services]\nAddService=s{index},,S\n"
            );
        }
        text + "[F]\n[S]\nServiceType=2\nStartType=3\nErrorControl=1\n"
    }

    #[test]
    fn best_decorated_section_wins() {
        let chosen = |suffixes: &[&str]| service(&decorated(suffixes)).unwrap().name;
        assert_eq!(chosen(&[""]), "s0");
        assert_eq!(chosen(&["", ".NT"]), "s1");
        assert_eq!(chosen(&["", ".ntamd64", ".NT"]), "s1");
        assert_eq!(chosen(&[".NTx86", ".NTarm64", ".NTamd64"]), "s2");
        assert_eq!(chosen(&[".NT$ARCH$"]), "s0");
        assert_eq!(chosen(&[".NTamd64", ".NTamd64.10.0...25952"]), "s1");
        assert_eq!(chosen(&[".NTamd64", ".NTamd64.10.0...99999"]), "s0");
    }

    #[test]
    fn older_windows_takes_the_older_section() {
        let text = decorated(&[".NTamd64", ".NTamd64.10.0...25952"]);
        let inf = Inf::parse(text.as_bytes(), "test.inf").unwrap();
        let windows_10 = OsVersion { major: 10, minor: 0, build: 19045 };
        assert_eq!(inf.driver_service_for(windows_10).unwrap().name, "s0");
    }

    #[test]
    fn add_service_may_stand_in_the_install_section() {
        let text = "[DefaultInstall]\nAddService=old,,S\n[S]\nServiceType=2\nStartType=3\nErrorControl=1\n";
        assert_eq!(service(text).unwrap().name, "old");
    }

    #[test]
    fn driver_is_chosen_among_several_services() {
        let text = "[DefaultInstall.Services]\nAddService=app,,U\nAddService=drv,,S\n[U]\nServiceType=0x10\nStartType=2\n\
                    ErrorControl=1\n[S]\nServiceType=2\nStartType=3\nErrorControl=1\n";
        assert_eq!(service(text).unwrap().name, "drv");
    }

    #[test]
    fn file_without_service_is_refused_with_advice() {
        let (line, message) = refused("[DefaultInstall.NTamd64]\nCopyFiles = F\n[F]\nx.sys\n");
        assert_eq!(line, None);
        assert!(message.contains("no AddService in [DefaultInstall.NTamd64]"), "{message}");
        let (_, message) = refused("[Version]\nSignature = x\n");
        assert!(message.contains("no [DefaultInstall] section"), "{message}");
        let (_, message) = refused(&decorated(&[".NTarm64"]));
        assert!(message.contains("only [DefaultInstall.NTarm64]"), "{message}");
    }

    #[test]
    fn broken_references_are_refused_at_their_line() {
        let good = with_rows("");
        let (line, message) = refused(&good.replace("[Sample.Service]", "[Other]"));
        assert_eq!(line, Some(2));
        assert!(message.contains("AddService names [Sample.Service]"), "{message}");
        let (line, message) = refused(&good.replace("[Sample.Rows]", "[Other]"));
        assert_eq!(line, Some(11));
        assert!(message.contains("AddReg names [Sample.Rows]"), "{message}");
        assert!(refused(&good.replace(",,Sample.Service", "")).1.contains("name,flags,service-section"));
        assert!(refused(&good.replace("StartType = 3", "")).1.contains("[Sample.Service] has no StartType"));
        assert!(
            refused(&good.replace("StartType = 3", "StartType = soon")).1.contains("StartType is \"soon\"")
        );
        assert!(refused(&good.replace("Name = \"sample\"", "")).1.contains("%Name%"));
    }

    #[test]
    fn registry_types_follow_the_flags() {
        let rows = "HKR,,a,,text\nHKR,,b,0x20000,%%SystemRoot%%\\x\nHKR,,c,0x10000,one,two,\"three, four\"\n\
                    HKR,,d,0x10001,42\nHKR,,e,0x10001,0xFFFFFFFF\nHKR,,f,0x10001,78,56,34,12\nHKR,,g,0xB0001,0x100000000\n\
                    HKR,,h,1,de,0xAD,7\nHKR,,i,0x20001\nHKR,,j,0x10001,-1\nHKR,,k,0x10001";
        let expected = [
            RegistryData::Sz("text".to_owned()),
            RegistryData::ExpandSz("%SystemRoot%\\x".to_owned()),
            RegistryData::MultiSz(vec!["one".to_owned(), "two".to_owned(), "three, four".to_owned()]),
            RegistryData::Dword(42),
            RegistryData::Dword(u32::MAX),
            RegistryData::Dword(0x1234_5678),
            RegistryData::Qword(1 << 32),
            RegistryData::Binary(vec![0xDE, 0xAD, 7]),
            RegistryData::None(vec![]),
            RegistryData::Dword(u32::MAX),
            RegistryData::Dword(0),
        ];
        assert_eq!(data(rows), expected);
    }

    #[test]
    fn registry_flags_decide_about_existing_values() {
        let text = |text: &str| RegistryData::Sz(text.to_owned());
        assert_eq!(data("HKR,k,a,,1\nHKR,K,A,,2"), [text("2")]);
        assert_eq!(data("HKR,k,a,,1\nHKR,k,a,0x2,2"), [text("1")]);
        assert_eq!(data("HKR,k,a,,1\nHKR,k,b,,2\nHKR,k,a,0x4"), [text("2")]);
        assert_eq!(data("HKR,k\\x,a,,1\nHKR,kx,b,,2\nHKR,k,,0x4"), [text("2")]);
        assert_eq!(data("HKR,k,a,0x20,1"), []);
        let both = RegistryData::MultiSz(vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(data("HKR,k,a,0x10000,1\nHKR,k,a,0x10008,2,1"), [both]);
        assert_eq!(data("HKR,k,,0x10\nHKR,j"), [RegistryData::KeyOnly, RegistryData::KeyOnly]);
    }

    #[test]
    fn registry_rows_keep_root_subkey_and_name() {
        let service =
            service(&with_rows("HKLM,\"Software\\X\\\",\"v\",,1\nHKR,Parameters,\"w\",,2")).unwrap();
        let rows: Vec<_> =
            service.registry.iter().map(|row| (row.root, row.subkey.as_str(), row.name.as_str())).collect();
        assert_eq!(rows, [(Root::Hklm, "Software\\X", "v"), (Root::Hkr, "Parameters", "w")]);
    }

    #[test]
    fn install_section_adds_absolute_rows_only() {
        let text = with_rows("HKR,,a,,1")
            + "[DefaultInstall.NTamd64]\nAddReg=More\n[More]\nHKR,,lost,,1\nHKLM,Software,kept,,1\n";
        let names: Vec<_> = service(&text).unwrap().registry.into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["a", "kept"]);
    }

    #[test]
    fn damaged_registry_rows_are_refused_at_their_line() {
        for (row, word) in [
            ("HKX,,a,,1", "HKX"),
            ("HKR,,a,0x10001,many", "DWORD"),
            ("HKR,,a,0x10001,1,2,3", "DWORD"),
            ("HKR,,a,0x10001,0x100000000", "DWORD"),
            ("HKR,,a,1,100", "byte"),
            ("HKR,,a,flags,1", "flags"),
            ("HKR,,a,0x70000,1", "0x70000"),
            ("HKR,\"Instances\\%Gone%\",Altitude,,1", "%Gone%"),
            ("HKR,\"Instances\\I\",Altitude,,%Gone%", "%Gone%"),
        ] {
            let (line, message) = refused(&with_rows(row));
            assert_eq!(line, Some(13), "{message}");
            assert!(message.contains(word), "{message}");
        }
        let kind = service(&with_rows("HKR,,a,0x70000,1")).unwrap_err().kind;
        assert_eq!(kind, InfErrorKind::BadRegistryType { flags: 0x7_0000 });
    }
}

mod instances {
    use inf_file::InstanceDefinition;

    use super::{service, with_rows};

    fn instance(name: &str, altitude: Option<&str>, flags: u32, default: bool) -> InstanceDefinition {
        InstanceDefinition { name: name.to_owned(), altitude: altitude.map(str::to_owned), flags, default }
    }

    fn instances(rows: &str) -> Vec<InstanceDefinition> {
        service(&with_rows(rows)).unwrap().instances()
    }

    fn rows(place: &str) -> String {
        format!(
            "HKR,\"{place}\",\"DefaultInstance\",0x00000000,%Top%\n\
             HKR,\"{place}\\\"%Top%,\"Altitude\",0x00000000,\"370030\"\nHKR,\"{place}\\\"%Top%,\"Flags\",0x00010001,0x1\n\
             HKR,\"{place}\\Second\",\"Altitude\",,365000\nHKR,\"{place}\\Second\",\"Flags\",0x00010001,0\n"
        )
    }

    #[test]
    fn both_places_are_read() {
        // spec: ATT-09
        let expected =
            [instance("Top Instance", Some("370030"), 1, true), instance("Second", Some("365000"), 0, false)];
        assert_eq!(instances(&rows("Instances")), expected);
        assert_eq!(instances(&rows("Parameters\\Instances")), expected);
        assert_eq!(instances(&(rows("Instances") + &rows("Parameters\\Instances"))), expected);
    }

    #[test]
    fn newer_place_wins_value_by_value() {
        // spec: ATT-09
        let both = "HKR,Instances\\I,Altitude,,100\nHKR,Instances\\I,Flags,0x10001,2\n\
                    HKR,Parameters\\Instances\\i,Altitude,,200";
        assert_eq!(instances(both), [instance("i", Some("200"), 2, false)]);
    }

    #[test]
    fn missing_altitude_is_seen() {
        // spec: ATT-09
        assert_eq!(instances("HKR,Instances\\I,Flags,0x10001,2"), [instance("I", None, 2, false)]);
        assert_eq!(instances("HKR,Instances\\I"), [instance("I", None, 0, false)]);
    }

    #[test]
    fn absolute_path_of_the_service_key_counts() {
        let absolute = "HKLM,System\\CurrentControlSet\\Services\\Sample\\Instances\\I,Altitude,,5\n\
                        HKLM,System\\CurrentControlSet\\Services\\Other\\Instances\\J,Altitude,,6";
        assert_eq!(instances(absolute), [instance("I", Some("5"), 0, false)]);
    }

    #[test]
    fn default_instance_may_name_nothing() {
        let service = service(&with_rows("HKR,Instances,DefaultInstance,,Gone")).unwrap();
        assert_eq!(service.default_instance(), Some("Gone"));
        assert_eq!(service.instances(), []);
    }
}
