//! Sections: memory that is a file, mapped views of it, and the mapped page writer.
//!
//! ```text
//! NtCreateSection ─acquire for section─► Section ─► NtMapViewOfSection ─► View: the stream's own pages, a second time
//! stores into views ─► modified pages ─► mapped page writer ─► paging writes through the whole filter stack
//! ```
//!
//! A view shows the pages that the cache has of the stream, so both see each other's bytes. All pages of a view are
//! in memory from the moment it is mapped: a page fault never does I/O. Statements: SEED-MODW, FSF-08 to FSF-19, FSF-29,
//! MM-01 to MM-05.
//!
//! It refuses: views at addresses that the caller chooses, sections of paging files that are reserved and not committed,
//! 32-bit images. Copies for PAGE_WRITECOPY and of images are made when the view is mapped, not at the first store.
//!
//! UNSAFETY: none of its own.
#![forbid(unsafe_code)]

mod acquire;
mod image;
pub mod page_writer;
mod protection;
mod section;
mod services;
mod truncate;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use boundary::Raise;
use nt_abi::NtStatus;
use nt_ke::core::index;
use nt_ke::{Core, Lock, Rank, Subsystem};
use nt_ob::{Mapping, ObjectType, TypeDescription, ob_create_type};

pub use page_writer::flush_all;
pub use section::{SectionParameters, SectionSize, mm_create_section, section_size};
pub use services::{
    SectionInformation, ViewRequest, nt_create_section, nt_extend_section, nt_flush_virtual_memory,
    nt_map_view_of_section, nt_open_section, nt_query_section, nt_unmap_view_of_section,
};
pub use truncate::{
    FlushType, mm_can_file_be_truncated, mm_does_file_have_user_writable_references, mm_flush_image_section,
    mm_force_section_closed,
};
pub use view::{mm_map_view_in_system_space, mm_unmap_view_in_system_space, unmap_all};

use image::Image;
use page_writer::PageWriter;
use section::Section;
use view::View;

/// Rights of sections: query, map for writing, reading and executing, extend; the standard rights.
const SECTION: TypeDescription = TypeDescription {
    mapping: Mapping { read: 0x2_0005, write: 0x2_0002, execute: 0x2_0008, all: 0xF_001F },
    valid_access: 0xF_001F,
    delete: Some(section::deleted),
    ..TypeDescription::new("Section", *b"Sect")
};

/// All sections and views of a machine.
pub struct Sections {
    kind: OnceLock<&'static ObjectType>,
    /// By object.
    objects: Lock<BTreeMap<usize, Arc<Section>>>,
    /// By first address.
    views: Lock<BTreeMap<usize, View>>,
    /// By the section pointers of the stream.
    images: Lock<BTreeMap<usize, Arc<Image>>>,
    writer: PageWriter,
}

impl Subsystem for Sections {
    const INDEX: usize = index::SECTION;
}

fn sections() -> &'static Sections {
    nt_ke::subsystem::<Sections>()
}

impl Sections {
    /// Installs the section manager. Its page writer belongs to `process`, and starts with the first writable view.
    ///
    /// Errors: InsufficientResources
    pub fn boot(core: &Arc<Core>, process: usize) -> Result<Result<(), NtStatus>, Raise> {
        let sections = core.install(Box::new(Self {
            kind: OnceLock::new(),
            objects: Lock::new(Rank::Leaf, BTreeMap::new()),
            views: Lock::new(Rank::Leaf, BTreeMap::new()),
            images: Lock::new(Rank::Leaf, BTreeMap::new()),
            writer: PageWriter::new(core, process),
        }));
        nt_ke::subsystem::<nt_ps::Ps>().set_at_exit(unmap_all);
        Ok(ob_create_type(SECTION).map(|kind| {
            let _ = sections.kind.set(kind);
        }))
    }

    /// The type of sections.
    pub fn section_type(&self) -> &'static ObjectType {
        self.kind.get().expect("sections have booted")
    }
}

/// The type of sections: `*MmSectionObjectType`.
pub fn mm_section_type() -> &'static ObjectType {
    sections().section_type()
}
