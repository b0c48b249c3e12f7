//! Writes C declarations for what the headers lack.

use super::known::Names;
use super::metadata::{Definition, Function, Member, Model, Record, Shape};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use windows_metadata::Type;

/// Families for drivers of machines' hardware, and a structure that mingw-w64 has only half.
const LEFT_OUT: &[&str] = &[
    "WHEA", "_WHEA", "PWHEA", "Whea", "XPF_", "PCI", "_PCI", "PPCI", "CLFS", "CLS_", "PSHED", "RTL_AVL",
    "PRTL_AVL", "HEAP_",
];

fn left_out(name: &str) -> bool {
    LEFT_OUT.iter().any(|family| name.starts_with(family))
}

pub struct Emitter<'a> {
    model: &'a Model,
    /// Names that some header has.
    everywhere: Names,
    /// Names that a layer has declared.
    declared: BTreeSet<String>,
    /// Types that are being declared: a cycle needs no second declaration.
    opened: BTreeSet<String>,
    counts: BTreeMap<&'static str, usize>,
}

/// A declaration in the making: text, or nothing when something that it needs is unknown.
type Text = Option<String>;

impl<'a> Emitter<'a> {
    pub fn new(model: &'a Model, everywhere: Names) -> Self {
        Self {
            model,
            everywhere,
            declared: BTreeSet::new(),
            opened: BTreeSet::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Everything that can be declared behind headers that have the names `here`, and was not yet.
    pub fn layer(&mut self, layer: usize, here: Names) -> String {
        let model = self.model;
        let mut text = String::from(
            "/* Written by `cargo xtask headers` from Microsoft's published metadata: names, values and parameter lists. */\n",
        );
        let (mut constants, mut guids) = (String::new(), String::new());
        for (name, (first, value)) in &model.constants {
            if *first <= layer && self.take(name, "constants") {
                writeln!(constants, "#ifndef {name}\n#define {name} {value}\n#endif")
                    .expect("a string takes all");
            }
        }
        for (name, definition) in
            model.types.iter().filter(|(_, definition)| definition.layer.is_some_and(|first| first <= layer))
        {
            match &definition.shape {
                Shape::Flags(members) => {
                    for (member, value) in members {
                        if self.take(member, "constants") {
                            writeln!(constants, "#ifndef {member}\n#define {member} 0x{value:X}\n#endif")
                                .expect("a string takes all");
                        }
                    }
                }
                Shape::Enum(members) if here.holds(name) => {
                    for (member, value) in members {
                        if self.take(member, "constants") {
                            writeln!(
                                constants,
                                "#ifndef {member}\n#define {member} (({name}){value})\n#endif"
                            )
                            .expect("a string takes all");
                        }
                    }
                }
                _ => {}
            }
        }
        for (name, (first, value)) in &model.guids {
            if *first <= layer && self.take(name, "GUIDs") {
                writeln!(guids, "EXTERN_C const GUID DECLSPEC_SELECTANY {name} = {value};")
                    .expect("a string takes all");
            }
        }
        text.push_str(&constants);
        text.push_str("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
        for (name, definition) in &model.types {
            if definition.layer.is_some_and(|first| first <= layer)
                && !matches!(definition.shape, Shape::Interface | Shape::Flags(_))
            {
                let mut needed = String::new();
                self.type_name(name, &here, &mut needed);
                text.push_str(&needed);
            }
        }
        for (name, function) in &model.functions {
            if function.layer > layer
                || self.declared.contains(name)
                || self.everywhere.holds(name)
                || left_out(name)
            {
                continue;
            }
            let mut needed = String::new();
            let declaration = self.function(name, function, &here, &mut needed);
            text.push_str(&needed);
            if let Some(declaration) = declaration {
                text.push_str(&declaration);
                self.take(name, "functions");
            }
        }
        text.push_str("#ifdef __cplusplus\n}\n#endif\n");
        text.push_str(&guids);
        text
    }

    /// Names for the import library of the kernel and of the Filter Manager's newer routines.
    pub fn import_list(&self) -> String {
        let mut text = String::from(
            "; Written by `cargo xtask headers`: further names that drivers import from the kernel.\nLIBRARY ntoskrnl.exe\nEXPORTS\n",
        );
        for (name, function) in &self.model.functions {
            if matches!(&*function.module, "ntoskrnl.exe" | "ntdll.dll" | "HAL.dll") {
                writeln!(text, "    {name}").expect("a string takes all");
            }
        }
        text
    }

    pub fn summary(&self) -> String {
        let counts: Vec<String> = self.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        format!("declared {}", counts.join(", "))
    }

    /// Marks the name as declared, unless some header or layer has it.
    fn take(&mut self, name: &str, kind: &'static str) -> bool {
        let free = !self.everywhere.holds(name) && !left_out(name) && self.declared.insert(name.to_owned());
        if free {
            *self.counts.entry(kind).or_default() += 1;
        }
        free
    }

    fn function(&mut self, name: &str, function: &Function, here: &Names, needed: &mut String) -> Text {
        let result = self.c_type(&function.result, false, here, needed)?;
        let mut parameters = self.parameters(&function.parameters, function.variadic, here, needed)?;
        if name.starts_with("Mm") {
            parameters = parameters.replace("LONGLONG", "PHYSICAL_ADDRESS");
        }
        if name.contains("SpinLock") {
            parameters = parameters.replace("LONG *", "EX_SPIN_LOCK *");
        }
        Some(format!("NTSYSAPI {result} NTAPI {name}({parameters});\n"))
    }

    fn parameters(&mut self, types: &[Type], variadic: bool, here: &Names, needed: &mut String) -> Text {
        let mut words = Vec::new();
        for ty in types {
            words.push(self.c_type(ty, false, here, needed)?);
        }
        if variadic {
            words.push("...".into());
        }
        Some(if words.is_empty() { "VOID".into() } else { words.join(", ") })
    }

    /// The type in C. `times`: 64-bit numbers are LARGE_INTEGERs here.
    fn c_type(&mut self, ty: &Type, times: bool, here: &Names, needed: &mut String) -> Text {
        Some(match ty {
            Type::Void => "VOID".into(),
            Type::Bool => "BOOLEAN".into(),
            Type::Char => "WCHAR".into(),
            Type::I8 => "CHAR".into(),
            Type::U8 => "UCHAR".into(),
            Type::I16 => "SHORT".into(),
            Type::U16 => "USHORT".into(),
            Type::I32 => "LONG".into(),
            Type::U32 => "ULONG".into(),
            Type::I64 => if times { "LARGE_INTEGER" } else { "LONGLONG" }.into(),
            Type::U64 => "ULONGLONG".into(),
            Type::ISize => "LONG_PTR".into(),
            Type::USize => "SIZE_T".into(),
            Type::F32 => "float".into(),
            Type::F64 => "double".into(),
            // Behind a pointer the kernel's 64-bit numbers are LARGE_INTEGERs.
            Type::PtrMut(inner, depth) => {
                format!("{} {}", self.c_type(inner, true, here, needed)?, "*".repeat(*depth))
            }
            Type::PtrConst(inner, depth) => {
                format!("const {} {}", self.c_type(inner, true, here, needed)?, "*".repeat(*depth))
            }
            Type::ValueName(name) | Type::ClassName(name)
                if name.namespace == "System" && name.name == "Guid" =>
            {
                "GUID".into()
            }
            Type::ValueName(name) | Type::ClassName(name) => {
                let delegate = self
                    .model
                    .types
                    .get(&*name.name)
                    .is_some_and(|known| matches!(known.shape, Shape::Delegate { .. }));
                let function = delegate && !name.name.starts_with('P');
                let name = self.type_name(&name.name, here, needed)?;
                if function { format!("{name} *") } else { name }
            }
            _ => return None,
        })
    }

    /// The name of a type that is declared here or can be: its declaration then stands in `needed`.
    fn type_name(&mut self, name: &str, here: &Names, needed: &mut String) -> Text {
        let plain = name.strip_prefix('_').unwrap_or(name);
        if here.holds(plain) || self.declared.contains(plain) || self.opened.contains(plain) {
            return Some(plain.to_owned());
        }
        let model = self.model;
        let definition: &Definition = model.types.get(name)?;
        if let (Shape::Record(_), true) = (&definition.shape, here.holds(&format!("_{plain}"))) {
            return Some(format!("struct _{plain}"));
        }
        if let Shape::Flags(_) = definition.shape {
            return Some("ULONG".into());
        }
        if self.everywhere.holds(plain) || left_out(plain) {
            return None;
        }
        self.opened.insert(plain.to_owned());
        let mut before = String::new();
        let declaration = self.declaration(plain, definition, here, &mut before);
        self.opened.remove(plain);
        // What it needed is declared now, also where it cannot be itself.
        needed.push_str(&before);
        needed.push_str(&declaration?);
        self.take(plain, "types");
        Some(plain.to_owned())
    }

    fn declaration(
        &mut self,
        name: &str,
        definition: &Definition,
        here: &Names,
        needed: &mut String,
    ) -> Text {
        match &definition.shape {
            Shape::Enum(members) => {
                let mut text = format!("typedef enum _{name} {{");
                for (member, value) in members {
                    if self.everywhere.holds(member) || self.declared.contains(member) {
                        continue;
                    }
                    self.declared.insert(member.clone());
                    write!(text, "\n    {member} = {value},").expect("a string takes all");
                }
                if text.ends_with('{') {
                    return Some(format!("typedef int {name};\n"));
                }
                Some(format!("{text}\n}} {name}{};\n", self.pointer_name(name)))
            }
            Shape::Delegate { result, parameters } => {
                let result = self.c_type(result, false, here, needed)?;
                let parameters = self.parameters(parameters, false, here, needed)?;
                match name.strip_prefix('P') {
                    Some(function)
                        if !self.everywhere.holds(function) && self.declared.insert(function.to_owned()) =>
                    {
                        Some(format!(
                            "typedef {result} NTAPI {function}({parameters});\ntypedef {function} *{name};\n"
                        ))
                    }
                    Some(_) => Some(format!("typedef {result} (NTAPI *{name})({parameters});\n")),
                    // Without the P it is the function itself.
                    None => {
                        let pointer = self.pointer_name(name);
                        Some(format!(
                            "typedef {result} NTAPI {name}({parameters});\n{}",
                            match pointer.strip_prefix(", ") {
                                Some(pointer) => format!("typedef {name} {pointer};\n"),
                                None => String::new(),
                            }
                        ))
                    }
                }
            }
            Shape::Alias(ty) => {
                let ty =
                    if *ty == Type::ISize { "PVOID".into() } else { self.c_type(ty, false, here, needed)? };
                Some(format!("typedef {ty} {name};\n"))
            }
            Shape::Record(record) => {
                let times = name.starts_with("FILE_") && name.contains("_INFORMATION");
                let kind = if record.union { "union" } else { "struct" };
                // What it needs may point back to it.
                let pointer = self.pointer_name(name);
                writeln!(needed, "typedef {kind} _{name} {name}{pointer};").expect("a string takes all");
                let body = self.members(record, times, 1, here, needed)?;
                let (push, pop) = match record.packing {
                    0 => (String::new(), ""),
                    bytes => (format!("#pragma pack(push, {bytes})\n"), "#pragma pack(pop)\n"),
                };
                Some(format!("{push}{kind} _{name} {{\n{body}}};\n{pop}"))
            }
            Shape::Flags(_) | Shape::Interface => None,
        }
    }

    /// `, *PNAME`, where that is free.
    fn pointer_name(&mut self, name: &str) -> String {
        let pointer = format!("P{name}");
        if self.everywhere.holds(&pointer)
            || self.model.types.contains_key(&pointer)
            || !self.declared.insert(pointer.clone())
        {
            return String::new();
        }
        format!(", *{pointer}")
    }

    fn members(
        &mut self,
        record: &Record,
        times: bool,
        depth: usize,
        here: &Names,
        needed: &mut String,
    ) -> Text {
        let indent = "    ".repeat(depth);
        let mut text = String::new();
        for member in &record.fields {
            match member {
                Member::Plain { name, ty } => {
                    let (ty, count) = match ty {
                        Type::ArrayFixed(element, count) => (&**element, format!("[{count}]")),
                        other => (other, String::new()),
                    };
                    let ty = self.c_type(ty, times, here, needed)?;
                    writeln!(text, "{indent}{ty} {name}{count};").expect("a string takes all");
                }
                Member::Bits { ty, parts } => {
                    let ty = self.c_type(ty, false, here, needed)?;
                    for (name, width) in parts {
                        writeln!(text, "{indent}{ty} {name} : {width};").expect("a string takes all");
                    }
                }
                Member::Nested { name, record, count } => {
                    let kind = if record.union { "union" } else { "struct" };
                    let body = self.members(record, times, depth + 1, here, needed)?;
                    let name = name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
                    let count = count.map(|count| format!("[{count}]")).unwrap_or_default();
                    write!(text, "{indent}{kind} {{\n{body}{indent}}}{name}{count};\n")
                        .expect("a string takes all");
                }
            }
        }
        Some(text)
    }
}
