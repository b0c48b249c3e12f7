//! The pool, as drivers see it.

mod machine;

use boundary::Raise;
use machine::machine;
use nt_abi::{NtStatus, PAGE_SIZE, bugcheck};
use nt_ex::pool::{self, PoolKind};

const TAG: u32 = u32::from_le_bytes(*b"Test");

fn byte(address: *mut u8, offset: usize) -> u8 {
    let mut value = [0];
    boundary::copy::read(address as usize + offset, &mut value).unwrap();
    value[0]
}

#[test]
fn small_blocks_are_aligned_to_16_and_stay_inside_a_page() {
    // spec: EXEC-30
    machine(|_| {
        for bytes in [1, 15, 24, 25, 100, 500, 1000, 2000, 4000, 4056, 4057, 4095] {
            for _ in 0..9 {
                let start = pool::allocate(PoolKind::NonPaged, bytes, TAG, false).unwrap().as_ptr() as usize;
                assert_eq!(start % 16, 0, "{bytes}");
                assert_eq!(start / PAGE_SIZE, (start + bytes - 1) / PAGE_SIZE, "{bytes}");
            }
        }
    });
}

#[test]
fn blocks_of_a_page_and_more_are_page_aligned() {
    // spec: EXEC-30
    machine(|_| {
        for bytes in [PAGE_SIZE, PAGE_SIZE + 1, 10 * PAGE_SIZE - 3, 1 << 20] {
            let block = pool::allocate(PoolKind::Paged, bytes, TAG, true).unwrap().as_ptr();
            assert_eq!(block as usize % PAGE_SIZE, 0);
            assert_eq!(byte(block, bytes - 1), 0);
            pool::free(block, Some(TAG)).unwrap();
        }
    });
}

#[test]
fn different_blocks_do_not_overlap() {
    machine(|_| {
        let mut blocks: Vec<(usize, usize)> = (0..2000usize)
            .map(|n| {
                let bytes = 1 + n * 37 % 6000;
                (pool::allocate(PoolKind::NonPaged, bytes, TAG, false).unwrap().as_ptr() as usize, bytes)
            })
            .collect();
        blocks.sort_unstable();
        assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
    });
}

#[test]
fn the_pool_type_bit_400_zeroes() {
    machine(|_| {
        for _ in 0..3 {
            let block = pool::allocate_pool_with_tag(0x600, 256, TAG).unwrap();
            assert!((0..256).all(|n| byte(block, n) == 0));
            boundary::copy::fill(block as usize, 7, 256).unwrap();
            pool::free_pool(block, None).unwrap();
        }
    });
}

#[test]
fn allocate_pool2_zeroes_unless_told_not_to() {
    // spec: EXEC-28, EXEC-29
    machine(|core| {
        core.get::<nt_ex::Ex>().set_strict_pool(true);
        let zeroed = pool::allocate_pool2(0x40, 100, TAG).unwrap();
        assert!((0..100).all(|n| byte(zeroed, n) == 0));
        let plain = pool::allocate_pool2(0x42, 100, TAG).unwrap();
        assert_eq!(byte(plain, 50), 0xCD);
    });
}

#[test]
fn allocate_pool2_refuses_what_it_does_not_know() {
    // spec: EXEC-28, EXEC-29
    machine(|_| {
        for (flags, bytes, tag) in
            [(0x40, 100, 0), (0x40, 0, TAG), (0, 100, TAG), (0x140, 100, TAG), (0x240, 100, TAG)]
        {
            assert!(pool::allocate_pool2(flags, bytes, tag).unwrap().is_null(), "{flags:#x} {bytes} {tag}");
        }
        let raised = pool::allocate_pool2(0x60, 0, TAG);
        assert_eq!(raised, Err(Raise::Status(NtStatus::INVALID_PARAMETER)));
        let unknown_optional = 1u64 << 40;
        assert!(!pool::allocate_pool2(0x40 | unknown_optional, 100, TAG).unwrap().is_null());
    });
}

#[test]
fn absurd_sizes_give_null_or_raise() {
    // spec: EXEC-28
    machine(|_| {
        assert!(pool::allocate_pool_with_tag(0, usize::MAX - 10, TAG).unwrap().is_null());
        assert!(pool::allocate_pool2(0x100, 1 << 50, TAG).unwrap().is_null());
        let raised = pool::allocate_pool_with_tag(0x10, 1 << 50, TAG);
        assert_eq!(raised, Err(Raise::Status(NtStatus::INSUFFICIENT_RESOURCES)));
    });
}

#[test]
fn paged_pool_at_dispatch_level_is_a_finding() {
    // spec: EXEC-28
    machine(|core| {
        nt_ke::irql::raise(2);
        let block = pool::allocate_pool2(0x100, 64, TAG).unwrap();
        pool::free_pool(block, Some(TAG)).unwrap();
        nt_ke::irql::lower(0);
        assert!(core.findings().iter().any(|f| f.rule == "EXEC-28"));
    });
}

fn bug_check_of(f: impl FnOnce() -> Result<(), Raise> + Send) -> nt_ke::BugCheck {
    machine(|core| {
        assert_eq!(f(), Err(Raise::Stop));
        core.bug_checked().expect("a bug check").clone()
    })
}

#[test]
fn freeing_twice_names_both() {
    for bytes in [40, 3 * PAGE_SIZE] {
        let check = bug_check_of(move || {
            let block = pool::allocate(PoolKind::NonPaged, bytes, TAG, false).unwrap().as_ptr();
            pool::free(block, None)?;
            pool::free(block, None)
        });
        assert_eq!(check.code, bugcheck::BAD_POOL_CALLER);
        assert!(check.message.contains("freed twice"), "{}", check.message);
        assert!(check.message.contains("'Test'"), "{}", check.message);
    }
}

#[test]
fn freeing_what_is_no_block_says_what_it_is() {
    for (offset, what) in [(16, "16 bytes inside"), (4096, "inside")] {
        let check = bug_check_of(move || {
            let bytes = if offset < 4096 { 64 } else { 3 * PAGE_SIZE };
            let block = pool::allocate(PoolKind::NonPaged, bytes, TAG, false).unwrap().as_ptr();
            pool::free(block.wrapping_add(offset), None)
        });
        assert_eq!(check.code, bugcheck::BAD_POOL_CALLER);
        assert!(check.message.contains(what), "{}", check.message);
    }
    assert!(bug_check_of(|| pool::free(std::ptr::null(), None)).message.contains("null pointer"));
    assert!(
        bug_check_of(|| pool::free(0x1234_5678 as *const u8, None)).message.contains("no address of pool")
    );
}

#[test]
fn writing_past_either_end_is_found_at_the_free() {
    // spec: EXEC-31
    for (bytes, offset, place) in
        [(41, 41, "past its end"), (41, -1, "before its start"), (5000, 5000, "past its end")]
    {
        let check = bug_check_of(move || {
            let block = pool::allocate(PoolKind::NonPaged, bytes, TAG, false).unwrap().as_ptr();
            boundary::copy::write((block as usize).wrapping_add_signed(offset), &[0x55]).unwrap();
            pool::free(block, None)
        });
        assert_eq!(check.code, bugcheck::BAD_POOL_HEADER);
        assert!(check.message.contains(place), "{}", check.message);
    }
}

#[test]
fn a_write_after_free_does_not_damage_the_pool() {
    machine(|_| {
        let blocks: Vec<_> =
            (0..64).map(|_| pool::allocate(PoolKind::NonPaged, 100, TAG, false).unwrap()).collect();
        for block in &blocks {
            pool::free(block.as_ptr(), None).unwrap();
            boundary::copy::fill(block.as_ptr() as usize - 32, 0x41, 132).unwrap();
        }
        let mut again: Vec<_> =
            (0..64).map(|_| pool::allocate(PoolKind::NonPaged, 100, TAG, false).unwrap()).collect();
        again.sort_unstable();
        again.dedup();
        assert_eq!(again.len(), 64);
        for block in again {
            pool::free(block.as_ptr(), Some(TAG)).unwrap();
        }
    });
}

#[test]
fn another_tag_is_a_finding_and_frees_all_the_same() {
    // spec: EXEC-31
    machine(|core| {
        let block = pool::allocate(PoolKind::NonPaged, 100, TAG, false).unwrap().as_ptr();
        pool::free(block, Some(TAG | 0x8000_0000)).unwrap();
        assert!(core.findings().is_empty());
        let block = pool::allocate(PoolKind::NonPaged, 100, TAG, false).unwrap().as_ptr();
        pool::free(block, Some(u32::from_le_bytes(*b"Else"))).unwrap();
        let findings = core.findings();
        assert_eq!(findings.len(), 1);
        assert!(findings[0].message.contains("'Test'") && findings[0].message.contains("'Else'"));
        assert_eq!(pool::size_of_block(block), None);
    });
}

#[test]
fn outstanding_blocks_are_counted_by_place_and_tag() {
    machine(|_| {
        let before: usize = pool::outstanding(0..1).iter().map(|l| l.count).sum();
        let first = pool::allocate(PoolKind::NonPaged, 100, TAG, false).unwrap().as_ptr();
        pool::allocate(PoolKind::Paged, 5000, TAG, false).unwrap();
        pool::free(first, None).unwrap();
        pool::allocate(PoolKind::NonPaged, 11, TAG, false).unwrap();
        let leaks = pool::outstanding(0..1);
        assert_eq!(leaks.iter().map(|l| l.count).sum::<usize>(), before + 2);
        let ours = leaks.iter().find(|l| l.tag == TAG).unwrap();
        assert_eq!((ours.bytes, ours.count, ours.tag_text().as_str()), (5011, 2, "Test"));
        assert!(pool::outstanding(1..usize::MAX).is_empty());
    });
}

#[test]
fn executable_pool_can_be_executed() {
    machine(|_| {
        for bytes in [16, 2 * PAGE_SIZE] {
            let block =
                pool::allocate(PoolKind::NonPagedExecute, bytes, TAG, false).unwrap().as_ptr() as usize;
            // mov eax, 42; ret
            boundary::copy::write(block, &[0xB8, 42, 0, 0, 0, 0xC3]).unwrap();
            assert_eq!(boundary::call(nt_abi::NativeFn(block), [0]), Ok(42));
        }
    });
}

#[test]
fn strict_mode_guards_large_blocks_with_a_page() {
    machine(|core| {
        core.get::<nt_ex::Ex>().set_strict_pool(true);
        let block = pool::allocate(PoolKind::NonPaged, 2 * PAGE_SIZE, TAG, false).unwrap().as_ptr();
        assert!(boundary::copy::write(block as usize + 2 * PAGE_SIZE, &[1]).is_err());
        pool::free(block, None).unwrap();
    });
}

#[test]
fn many_threads_share_the_pool() {
    machine(|core| {
        let threads: Vec<_> = (0..4u32)
            .map(|n| {
                let core = std::sync::Arc::clone(core);
                std::thread::spawn(move || {
                    core.attach(0, || {
                        for round in 0..500usize {
                            let bytes = 1 + (round * 97 + n as usize * 13) % 5000;
                            let block = pool::allocate(PoolKind::NonPaged, bytes, n, false).unwrap().as_ptr();
                            boundary::copy::fill(block as usize, n as u8, bytes).unwrap();
                            assert_eq!(byte(block, bytes - 1), n as u8);
                            pool::free(block, Some(n)).unwrap();
                        }
                    })
                    .unwrap();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(core.findings().is_empty());
        assert!(core.bug_checked().is_none());
    });
}
