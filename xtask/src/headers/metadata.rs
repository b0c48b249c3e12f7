//! Reads the metadata into a small model: types, functions and constants by name, in order.

use crate::process::{Failure, Outcome};
use std::collections::BTreeMap;
use std::path::Path;
use windows_metadata::reader::{File, HasAttributes, Index, Item, TypeCategory, TypeDef};
use windows_metadata::{Type, Value};

/// Namespaces that hold what kernel headers declare, and the first layer that may declare it.
const NAMESPACES: &[(&str, usize)] = &[
    ("Windows.Wdk.Foundation", 0),
    ("Windows.Wdk.System.SystemServices", 0),
    ("Windows.Wdk.System.Registry", 0),
    ("Windows.Wdk.System.Memory", 0),
    ("Windows.Wdk.Storage.FileSystem", 1),
    ("Windows.Wdk.Storage.FileSystem.Minifilters", 2),
    ("Windows.Win32.System.Ioctl", 1),
];

/// Types of other namespaces that kernel headers declare though no declaration there names them.
const ALSO: &[&str] = &["MEMORY_BASIC_INFORMATION"];

/// Win32 types that kernel declarations may name, taken only when one of them does.
const BORROWED: &str = "Windows.Win32.";

/// Modules that drivers link with.
const MODULES: &[&str] = &["ntoskrnl.exe", "ntdll.dll", "FLTMGR.SYS", "HAL.dll", "ksecdd.sys"];

pub struct Model {
    pub types: BTreeMap<String, Definition>,
    pub functions: BTreeMap<String, Function>,
    pub constants: BTreeMap<String, (usize, String)>,
    pub guids: BTreeMap<String, (usize, String)>,
}

pub struct Definition {
    /// The first layer that declares it of its own; borrowed types have none.
    pub layer: Option<usize>,
    pub shape: Shape,
}

pub enum Shape {
    /// C's enum: members with values.
    Enum(Vec<(String, i64)>),
    /// A set of flags that C headers declare as macros over an unsigned number.
    Flags(Vec<(String, u64)>),
    Record(Record),
    Delegate {
        result: Type,
        parameters: Vec<Type>,
    },
    /// A name for another type, such as a handle.
    Alias(Type),
    Interface,
}

pub struct Record {
    pub union: bool,
    pub packing: usize,
    pub fields: Vec<Member>,
}

pub enum Member {
    Plain { name: String, ty: Type },
    Bits { ty: Type, parts: Vec<(String, i64)> },
    Nested { name: Option<String>, record: Record, count: Option<usize> },
}

pub struct Function {
    pub layer: usize,
    pub module: String,
    pub result: Type,
    pub parameters: Vec<Type>,
    pub variadic: bool,
}

pub fn read(folder: &Path) -> Outcome<Model> {
    let open = |name: &str| {
        let path = folder.join(name);
        File::read(&path).ok_or_else(|| Failure::new(format!("{}: no metadata", path.display())))
    };
    const X64: i32 = 2;
    let index =
        Index::new_for_architecture(vec![open("Windows.Wdk.winmd")?, open("Windows.Win32.winmd")?], X64);
    let mut model = Model {
        types: BTreeMap::new(),
        functions: BTreeMap::new(),
        constants: BTreeMap::new(),
        guids: BTreeMap::new(),
    };
    // Some names lie in several namespaces: the kernel's own wins, whatever order the index has.
    let mut items: Vec<_> = index.iter_items().collect();
    let rank = |namespace: &str| {
        NAMESPACES.iter().position(|(known, _)| *known == namespace).unwrap_or(NAMESPACES.len())
    };
    items.sort_by_key(|(namespace, name, _)| (rank(namespace), *namespace, *name));
    for (namespace, name, item) in items {
        let layer = NAMESPACES.iter().find(|(known, _)| *known == namespace).map(|(_, layer)| *layer);
        let layer = layer.or_else(|| ALSO.contains(&name).then_some(1));
        match item {
            Item::Type(ty) if layer.is_some() || namespace.starts_with(BORROWED) => {
                model
                    .types
                    .entry(name.to_owned())
                    .or_insert_with(|| Definition { layer, shape: shape(&index, ty) });
            }
            Item::Fn(method) if layer.is_some() => {
                let module = method.impl_map().map_or("", |map| map.import_scope().name());
                if MODULES.contains(&module) {
                    let signature = method.signature(&[]);
                    let function = Function {
                        layer: layer.unwrap_or_default(),
                        module: module.to_owned(),
                        result: signature.return_type,
                        parameters: signature.types,
                        variadic: signature.flags.contains(windows_metadata::MethodCallAttributes::VARARG),
                    };
                    model.functions.entry(name.to_owned()).or_insert(function);
                }
            }
            Item::Const(field) if layer.is_some() => {
                let layer = layer.unwrap_or_default();
                if let Some(text) = field.constant().and_then(|constant| number(&constant.value())) {
                    model.constants.entry(name.to_owned()).or_insert((layer, text));
                } else if let Some(text) = guid(field) {
                    model.guids.entry(name.to_owned()).or_insert((layer, text));
                }
            }
            _ => {}
        }
    }
    Ok(model)
}

fn shape(index: &Index, ty: TypeDef) -> Shape {
    match ty.category() {
        TypeCategory::Enum => {
            let members =
                ty.fields().filter_map(|field| Some((field.name().to_owned(), field.constant()?.value())));
            if ty.underlying_type() == Some(Type::I32) {
                Shape::Enum(members.filter_map(|(name, value)| Some((name, whole(&value)?))).collect())
            } else {
                let unsigned = |value: &Value| whole(value).map(|value| value as u64);
                Shape::Flags(members.filter_map(|(name, value)| Some((name, unsigned(&value)?))).collect())
            }
        }
        TypeCategory::Delegate => match ty.methods().find(|method| method.name() == "Invoke") {
            Some(invoke) => {
                let signature = invoke.signature(&[]);
                Shape::Delegate { result: signature.return_type, parameters: signature.types }
            }
            None => Shape::Interface,
        },
        TypeCategory::Struct if ty.has_attribute("NativeTypedefAttribute") => {
            ty.fields().next().map_or(Shape::Interface, |field| Shape::Alias(field.ty()))
        }
        TypeCategory::Struct => Shape::Record(record(index, ty)),
        _ => Shape::Interface,
    }
}

fn record(index: &Index, ty: TypeDef) -> Record {
    let explicit = ty.flags().contains(windows_metadata::TypeAttributes::ExplicitLayout);
    let nested: BTreeMap<&str, TypeDef> = index.nested(ty).map(|inner| (inner.name(), inner)).collect();
    let mut fields = Vec::new();
    for field in ty.fields().filter(|field| field.constant().is_none()) {
        let name = field.name().to_owned();
        let parts: Vec<(String, i64)> = field
            .attributes()
            .filter(|attribute| attribute.name() == "NativeBitfieldAttribute")
            .filter_map(|attribute| match &attribute.value()[..] {
                [(_, Value::Utf8(name)), _, (_, width)] => Some((name.clone(), whole(width)?)),
                _ => None,
            })
            .collect();
        let (element, count) = match field.ty() {
            Type::ArrayFixed(element, count) => (*element, Some(count)),
            other => (other, None),
        };
        let inner = match &element {
            Type::ValueName(inner) if inner.namespace.is_empty() => nested.get(&*inner.name),
            _ => None,
        };
        fields.push(match inner {
            Some(inner) => {
                let anonymous = name
                    .strip_prefix("Anonymous")
                    .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
                Member::Nested { name: (!anonymous).then_some(name), record: record(index, *inner), count }
            }
            None if !parts.is_empty() => Member::Bits { ty: field.ty(), parts },
            None => Member::Plain { name, ty: field.ty() },
        });
    }
    let packing = ty.class_layout().map_or(0, |layout| usize::from(layout.packing_size()));
    Record { union: explicit, packing, fields }
}

fn whole(value: &Value) -> Option<i64> {
    Some(match value {
        Value::U8(value) => i64::from(*value),
        Value::I8(value) => i64::from(*value),
        Value::U16(value) => i64::from(*value),
        Value::I16(value) => i64::from(*value),
        Value::U32(value) => i64::from(*value),
        Value::I32(value) => i64::from(*value),
        Value::U64(value) => *value as i64,
        Value::I64(value) => *value,
        _ => return None,
    })
}

fn number(value: &Value) -> Option<String> {
    Some(match value {
        Value::U64(value) => format!("0x{value:X}ULL"),
        Value::U8(_) | Value::U16(_) | Value::U32(_) => format!("0x{:X}", whole(value)?),
        Value::I32(i32::MIN) => "((LONG)0x80000000)".into(),
        Value::I8(_) | Value::I16(_) | Value::I32(_) if whole(value)? < 0 => format!("({})", whole(value)?),
        Value::I8(_) | Value::I16(_) | Value::I32(_) => whole(value)?.to_string(),
        Value::I64(value) => format!("({value}LL)"),
        Value::Utf8(text) if text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\') => {
            format!("\"{text}\"")
        }
        _ => return None,
    })
}

/// The initialiser of a GUID.
fn guid(field: windows_metadata::reader::Field) -> Option<String> {
    let attribute = field.attributes().find(|attribute| attribute.name() == "GuidAttribute")?;
    let values: Vec<i64> = attribute.value().iter().filter_map(|(_, value)| whole(value)).collect();
    let [first, second, third, rest @ ..] = &values[..] else { return None };
    let rest: Vec<String> = rest.iter().map(|byte| format!("0x{byte:02x}")).collect();
    Some(format!("{{0x{first:08x}, 0x{second:04x}, 0x{third:04x}, {{{}}}}}", rest.join(", ")))
}
