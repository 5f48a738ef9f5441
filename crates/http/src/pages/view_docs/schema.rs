//! JSON Schema as rows: one per field, indented by depth, with references followed and recursion cut.

use serde_json::{Map, Value};

use super::prose::{self, Block};
use crate::pages::words::{Words, fill};

const DEEPEST: usize = 6;

/// One field of a body.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name; or what one of several forms is called.
    pub name: String,
    /// Whether this row only announces one of several forms.
    pub is_variant: bool,
    /// How far in; 0 for the outermost.
    pub depth: usize,
    /// Its type in words.
    pub kind: String,
    /// Whether it must be there.
    pub required: bool,
    /// Small remarks: read only, limits, default.
    pub notes: Vec<String>,
    /// The values it may have, if they are few.
    pub values: Vec<String>,
    /// What it is for.
    pub description: Vec<Block>,
}

/// A document, to follow its references.
#[derive(Clone, Copy)]
pub struct Schemas<'a> {
    pub root: &'a Value,
    pub words: &'static Words,
}

impl<'a> Schemas<'a> {
    /// Follows `$ref` until there is none; the last name on the way is the schema's.
    pub fn resolve(&self, mut value: &'a Value) -> (&'a Value, Option<&'a str>) {
        let mut name = None;
        for _ in 0..16 {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { break };
            let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else { break };
            name = reference.rsplit('/').next();
            value = target;
        }
        (value, name)
    }

    /// The fields of a body, of whatever kind it is.
    pub fn fields(&self, schema: &'a Value) -> Vec<Field> {
        let mut rows = Vec::new();
        self.add_children(schema, 0, &mut Vec::new(), &mut rows);
        rows
    }

    fn add_children(&self, schema: &'a Value, depth: usize, path: &mut Vec<&'a Value>, rows: &mut Vec<Field>) {
        let (schema, _) = self.resolve(schema);
        if depth >= DEEPEST || path.iter().any(|seen| std::ptr::eq(*seen, schema)) {
            return;
        }
        path.push(schema);
        for (name, field, required) in self.properties(schema, 0) {
            rows.push(self.field(name, field, required, depth, path));
            self.add_children(field, depth + 1, path, rows);
        }
        for inner in ["items", "additionalProperties"].iter().filter_map(|key| schema.get(key)).filter(|inner| inner.is_object())
        {
            self.add_children(inner, depth, path, rows);
        }
        let forms = self.forms(schema);
        match forms.as_slice() {
            [] => {}
            [only] => self.add_children(only, depth, path, rows),
            several => {
                for (index, form) in several.iter().enumerate() {
                    let mut inner = Vec::new();
                    self.add_children(form, depth + 1, path, &mut inner);
                    if !inner.is_empty() {
                        rows.push(self.variant(form, index, depth));
                        rows.append(&mut inner);
                    }
                }
            }
        }
        path.pop();
    }

    /// Name, schema and whether it is required, with the parts of `allOf` joined.
    fn properties(&self, schema: &'a Value, depth: usize) -> Vec<(&'a str, &'a Value, bool)> {
        let required = |name: &str| list(schema, "required").iter().any(|required| required.as_str() == Some(name));
        let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let mut all: Vec<_> = own.map(|(name, field)| (name.as_str(), field, required(name))).collect();
        if depth < DEEPEST {
            for part in list(schema, "allOf") {
                all.extend(self.properties(self.resolve(part).0, depth + 1));
            }
        }
        all
    }

    /// The alternatives of `oneOf` and `anyOf`, without null.
    fn forms(&self, schema: &'a Value) -> Vec<&'a Value> {
        let all = list(schema, "oneOf").iter().chain(list(schema, "anyOf"));
        all.filter(|form| self.resolve(form).0.get("type").and_then(Value::as_str) != Some("null")).collect()
    }

    fn field(&self, name: &str, schema: &'a Value, required: bool, depth: usize, path: &[&'a Value]) -> Field {
        let (target, _) = self.resolve(schema);
        let mut notes = self.notes(target);
        if path.iter().any(|seen| std::ptr::eq(*seen, target)) {
            notes.push(self.words.docs.recursive.to_owned());
        }
        let about = [schema, target].iter().find_map(|value| text(value, "description")).unwrap_or_default();
        Field {
            name: name.to_owned(),
            is_variant: false,
            depth,
            kind: self.kind(schema, 0),
            required,
            notes,
            values: self.values(target),
            description: prose::read(about),
        }
    }

    fn variant(&self, form: &'a Value, index: usize, depth: usize) -> Field {
        let (target, reference) = self.resolve(form);
        let number = (index + 1).to_string();
        let name = text(target, "title").or(reference).unwrap_or(&number);
        Field {
            name: fill(self.words.docs.variant, &[("name", name)]),
            is_variant: true,
            depth,
            kind: String::new(),
            required: false,
            notes: Vec::new(),
            values: Vec::new(),
            description: text(target, "description").map(prose::read).unwrap_or_default(),
        }
    }

    /// The type in words: "string (email)", "array of Session".
    pub fn kind(&self, schema: &'a Value, depth: usize) -> String {
        let words = &self.words.docs;
        let (target, reference) = self.resolve(schema);
        if depth > DEEPEST {
            return reference.unwrap_or(words.any).to_owned();
        }
        let types: Vec<&str> = match target.get("type") {
            Some(Value::String(only)) => vec![only.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
            _ => Vec::new(),
        };
        let forms = self.forms(target);
        if types.is_empty() && !forms.is_empty() {
            let mut kinds: Vec<String> = forms.iter().map(|form| self.kind(form, depth + 1)).collect();
            kinds.dedup();
            return kinds.join(&format!(" {} ", words.or));
        }
        if let ([], [only]) = (types.as_slice(), list(target, "allOf")) {
            return self.kind(only, depth + 1);
        }
        let of = |template, key: &str| {
            let inner = target.get(key).filter(|inner| inner.is_object());
            fill(template, &[("type", &inner.map_or_else(|| words.any.to_owned(), |inner| self.kind(inner, depth + 1)))])
        };
        match types.as_slice() {
            ["array"] => of(words.array_of, "items"),
            ["object"] if target.get("additionalProperties").is_some_and(Value::is_object) => {
                of(words.map_of, "additionalProperties")
            }
            [] if target.get("properties").is_some() || !list(target, "allOf").is_empty() => {
                reference.unwrap_or("object").to_owned()
            }
            [] => target.get("const").or(list(target, "enum").first()).map_or(words.any, json_type).to_owned(),
            ["object"] => reference.unwrap_or("object").to_owned(),
            several => match text(target, "format") {
                Some(format) => format!("{} ({format})", several.join(&format!(" {} ", words.or))),
                None => several.join(&format!(" {} ", words.or)),
            },
        }
    }

    /// Remarks on what is allowed.
    pub fn notes(&self, schema: &'a Value) -> Vec<String> {
        let words = &self.words.docs;
        let mut notes = Vec::new();
        let null_type = list(schema, "type").iter().any(|kind| kind == "null");
        let null_form =
            ["oneOf", "anyOf"].iter().any(|key| list(schema, key).iter().any(|form| form.get("type") == Some(&"null".into())));
        let set = |key: &str| schema.get(key) == Some(&Value::Bool(true));
        let flags = [
            (null_type || null_form, words.nullable),
            (set("readOnly"), words.read_only),
            (set("writeOnly"), words.write_only),
            (set("deprecated"), words.deprecated),
            (set("uniqueItems"), words.unique),
        ];
        notes.extend(flags.iter().filter(|(holds, _)| *holds).map(|(_, note)| (*note).to_owned()));
        let limits = [
            ("minimum", words.minimum),
            ("maximum", words.maximum),
            ("exclusiveMinimum", words.more_than),
            ("exclusiveMaximum", words.less_than),
            ("minLength", words.min_length),
            ("maxLength", words.max_length),
            ("minItems", words.min_items),
            ("maxItems", words.max_items),
            ("multipleOf", words.multiple_of),
            ("pattern", words.pattern),
            ("default", words.default),
        ];
        for (key, note) in limits {
            match schema.get(key) {
                None | Some(Value::Null) => {}
                Some(value) => notes.push(fill(note, &[("value", &plain(value))])),
            }
        }
        notes
    }

    /// The values of an `enum` or `const`.
    pub fn values(&self, schema: &'a Value) -> Vec<String> {
        let of = |schema: &'a Value| schema.get("const").into_iter().chain(list(schema, "enum")).map(plain);
        let items = schema.get("items").map(|items| self.resolve(items).0);
        let forms = self.forms(schema).into_iter().map(|form| self.resolve(form).0);
        of(schema).chain(items.into_iter().flat_map(of)).chain(forms.flat_map(of)).collect()
    }
}

/// The array under `key`, or an empty one.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The object under `key`, if it is one.
pub fn object<'a>(value: &'a Value, key: &str) -> Option<&'a Map<String, Value>> {
    value.get(key).and_then(Value::as_object)
}

/// The text under `key`, if there is any.
pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A value as people write it: strings without quotes.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
