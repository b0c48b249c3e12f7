//! The structures against `layout.csv`, row by row.

use std::collections::{BTreeMap, BTreeSet};

#[path = "layout/table.rs"]
mod table;

/// Where a field lies, measured on a value; no offset for a whole structure.
pub struct Row {
    structure: &'static str,
    field: String,
    offset: Option<usize>,
    size: usize,
}

impl Row {
    fn whole<S>(structure: &'static str, _value: &S) -> Self {
        Self { structure, field: "<sizeof>".into(), offset: None, size: size_of::<S>() }
    }

    /// `place` is the path as tokens: `.Create().Options` is the field `Create.Options`.
    fn field<S, T>(structure: &'static str, place: &str, whole: &S, part: &T) -> Self {
        let field: String = place.chars().filter(|c| !"() \n".contains(*c)).collect();
        let offset = std::ptr::from_ref(part).addr() - std::ptr::from_ref(whole).addr();
        let field = field.trim_start_matches('.').to_owned();
        Self { structure, field, offset: Some(offset), size: size_of::<T>() }
    }
}

fn hex(figure: &str) -> Option<usize> {
    usize::from_str_radix(figure.strip_prefix("0x")?, 16).ok()
}

mod layout {
    use super::*;

    #[test]
    fn every_row_of_the_table_has_its_offset_and_size() {
        // spec: CBD-01, SEED-MODW-02
        let ours: BTreeMap<(String, String), Row> =
            table::rows().into_iter().map(|r| ((r.structure.to_owned(), r.field.clone()), r)).collect();
        let present: BTreeSet<&str> = ours.values().map(|r| r.structure).collect();

        let (mut rows, mut checked, mut bit_fields, mut wrong) = (0, 0, 0, Vec::new());
        for line in include_str!("../layout.csv").lines().skip(1) {
            let [structure, field, offset, size] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("not four columns: {line}");
            };
            rows += 1;
            if !present.contains(structure) {
                wrong.push(format!("{structure} is not declared"));
                continue;
            }
            if field.contains(':') {
                assert!(size.starts_with("bit"), "a bit field without a bit: {line}");
                bit_fields += 1;
                continue;
            }
            let Some(row) = ours.get(&(structure.to_owned(), field.to_owned())) else {
                wrong.push(format!("{structure}.{field} is not checked"));
                continue;
            };
            checked += 1;
            if row.offset != hex(offset) || Some(row.size) != hex(size) {
                wrong.push(format!("{line}: ours is at {:x?}, {:#x} bytes", row.offset, row.size));
            }
        }
        println!("{checked} rows checked, {bit_fields} bit fields passed over, {rows} rows in the table");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(checked, ours.len(), "rows of ours that the table does not have");
        assert_eq!(checked + bit_fields, rows);
    }

    #[test]
    fn an_arm_is_read_where_another_was_written() {
        // spec: SEED-MODW-04
        let parameters = nt_abi::FLT_PARAMETERS::zeroed();
        parameters.Write().Length.set(0x1000);
        parameters.Write().ByteOffset.set(-1);
        assert_eq!(parameters.Read().Length.get(), 0x1000);
        assert_eq!(parameters.Others().Argument3.get().addr(), usize::MAX);
        assert_eq!(parameters.raw[2].get(), u64::MAX);
    }

    #[test]
    fn the_tail_of_an_irp_is_reached_from_the_irp_itself() {
        let irp = nt_abi::IRP::zeroed();
        let mut stack = nt_abi::IO_STACK_LOCATION::zeroed();
        irp.CurrentStackLocation().set(&raw mut stack);
        assert_eq!(irp.Tail.Overlay().CurrentStackLocation.get(), &raw mut stack);
        irp.Thread().set(std::ptr::without_provenance_mut(0x40));
        assert_eq!(irp.Tail.Overlay().Thread.get().addr(), 0x40);
        irp.SystemBuffer().set(std::ptr::without_provenance_mut(0x80));
        assert_eq!(irp.MasterIrp().get().addr(), 0x80);
        assert_eq!(irp.DriverContext().len(), irp.Tail.Overlay().DriverContext.len());
    }

    #[test]
    fn an_interlocked_list_head_is_16_byte_aligned() {
        assert_eq!(align_of::<nt_abi::SLIST_HEADER>(), 16);
        assert_eq!(align_of::<nt_abi::NPAGED_LOOKASIDE_LIST>(), 16);
    }
}
