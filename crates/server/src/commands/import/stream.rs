//! A file of JSON objects as a stream: one object a line, an array, or pages `{"results": [...]}`, one after another. Memory is bounded by one object.

use std::fmt;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use tokio::sync::mpsc::Sender;

/// Bytes that one line, and with it one object, may have.
const LONGEST_LINE: u64 = 1024 * 1024;

/// An object of the file.
#[derive(Debug)]
pub struct Found {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The object, or why there is none.
    pub value: Result<Value, String>,
}

/// Reads all objects; `read` counts the bytes. A bad line is one of the objects, anything after which nothing can be read is an error.
///
/// # Errors
/// Where the file stops being readable, and why.
pub fn read(file: impl Read, read: &AtomicU64, found: &Sender<Found>) -> anyhow::Result<()> {
    let mut file = BufReader::with_capacity(256 * 1024, Counted { inner: file, read });
    let mut first = Vec::new();
    // Up to the first line with something on it.
    let mut line = 0;
    while first.trim_ascii().is_empty() {
        first.clear();
        line += 1;
        if file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut first).context("The file cannot be read")? == 0 {
            bail!("The file is empty");
        }
        if line == 1 && first.starts_with(b"\xef\xbb\xbf") {
            first.drain(..3);
        }
    }
    // One whole object on the first line that is no page: then each line is one, and a bad one does not hide the others.
    // A first line that is broken, and not only unfinished, is a bad one too.
    match serde_json::from_slice::<Value>(&first) {
        Ok(Value::Object(object)) if !object.contains_key("results") => {
            send(found, Found { line, value: Ok(Value::Object(object)) })?;
            lines(file, line, found)
        }
        Err(error) if error.is_syntax() && first.trim_ascii().starts_with(b"{") => {
            send(found, Found { line, value: Err(not_json(&error)) })?;
            lines(file, line, found)
        }
        _ => values(Cursor::new(first).chain(file), line, found),
    }
}

fn send(found: &Sender<Found>, one: Found) -> anyhow::Result<()> {
    found.blocking_send(one).map_err(|_| anyhow::anyhow!("The import ended before the file did"))
}

fn not_json(error: &serde_json::Error) -> String {
    format!("is not JSON (column {})", error.column())
}

fn lines(mut file: impl BufRead, mut line: u64, found: &Sender<Found>) -> anyhow::Result<()> {
    let mut text = Vec::new();
    loop {
        text.clear();
        line += 1;
        if file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text).with_context(|| format!("line {line} cannot be read"))?
            == 0
        {
            return Ok(());
        }
        if text.len() as u64 == LONGEST_LINE && !text.ends_with(b"\n") {
            bail!("line {line} has more than {LONGEST_LINE} bytes");
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let value = serde_json::from_slice(&text).map_err(|error| not_json(&error));
        send(found, Found { line, value })?;
    }
}

fn values(file: impl BufRead, line: u64, found: &Sender<Found>) -> anyhow::Result<()> {
    let at = AtomicU64::new(line);
    let out = Out { line: &at, found };
    let mut file = LineCounted { inner: file, line: &at };
    loop {
        // Blanks between two values, so that the end of the file is not half a value.
        let Some(next) = file.skip_blanks()? else { return Ok(()) };
        let mut json = serde_json::Deserializer::from_reader(Cursor::new([next]).chain(&mut file));
        let read = Top(out).deserialize(&mut json);
        read.map_err(|error| {
            // The parser counts from the value's beginning.
            let why = error.to_string();
            let why = why.split(" at line ").next().unwrap_or_default().to_owned();
            anyhow::anyhow!("line {}: {why}", at.load(Ordering::Relaxed))
        })?;
    }
}

/// Where objects go.
#[derive(Clone, Copy)]
struct Out<'a> {
    line: &'a AtomicU64,
    found: &'a Sender<Found>,
}

/// A page, an array, or one object.
struct Top<'a>(Out<'a>);

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of users, a page with \"results\", or a user")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        List(self.0).visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let line = self.0.line.load(Ordering::Relaxed);
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "results" {
                map.next_value_seed(List(self.0))?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(());
            }
            object.insert(key, map.next_value()?);
        }
        let one = Found { line, value: Ok(Value::Object(object)) };
        self.0.found.blocking_send(one).map_err(A::Error::custom)
    }
}

/// A list whose elements are handed on one by one.
struct List<'a>(Out<'a>);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of users")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(found) = seq.next_element_seed(One(self.0))? {
            self.0.found.blocking_send(found).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// One element; its first byte has been read when this begins.
struct One<'a>(Out<'a>);

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Found;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        let line = self.0.line.load(Ordering::Relaxed);
        let value = <Value as serde::Deserialize>::deserialize(deserializer)?;
        Ok(Found { line, value: Ok(value) })
    }
}

struct Counted<'a, R> {
    inner: R,
    read: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The parser reads byte by byte, so the line is the one it is on.
struct LineCounted<'a, R> {
    inner: R,
    line: &'a AtomicU64,
}

impl<R: BufRead> LineCounted<'_, R> {
    fn skip_blanks(&mut self) -> anyhow::Result<Option<u8>> {
        let mut one = [0];
        loop {
            match self.read(&mut one).context("The file cannot be read")? {
                0 => return Ok(None),
                _ if one[0].is_ascii_whitespace() => {}
                _ => return Ok(Some(one[0])),
            }
        }
    }
}

impl<R: BufRead> Read for LineCounted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let lines = buffer[..count].iter().filter(|byte| **byte == b'\n').count();
        self.line.fetch_add(lines as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> (Vec<(u64, String)>, Result<(), String>) {
        let (send, mut found) = tokio::sync::mpsc::channel(1000);
        let counter = AtomicU64::default();
        let ended = read(text.as_bytes(), &counter, &send).map_err(|error| format!("{error:#}"));
        drop(send);
        let mut all = Vec::new();
        while let Ok(Found { line, value }) = found.try_recv() {
            all.push((
                line,
                value.map_or_else(|_| "bad".to_owned(), |value| value["user_id"].as_str().unwrap_or("?").to_owned()),
            ));
        }
        (all, ended)
    }

    fn at(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(line, id)| (*line, (*id).to_owned())).collect()
    }

    #[test]
    fn every_form_of_an_export_is_read_with_its_lines() {
        for (text, expected) in [
            ("{\"user_id\":\"a\"}\n\n{\"user_id\":\"b\"}\n", &[(1, "a"), (3, "b")][..]),
            ("\u{feff}{\"user_id\":\"a\"}", &[(1, "a")]),
            ("\n\n{\"user_id\":\"a\"}\r\n{\"user_id\":\"b\"}", &[(3, "a"), (4, "b")]),
            ("[{\"user_id\":\"a\"},{\"user_id\":\"b\"}]", &[(1, "a"), (1, "b")]),
            ("[\n  {\"user_id\":\"a\"},\n  {\n\"user_id\":\"b\"}\n]\n", &[(2, "a"), (3, "b")]),
            ("[]", &[]),
            ("{\"results\":[{\"user_id\":\"a\"}],\"status_code\":200}", &[(1, "a")]),
            (
                "{\"status_code\":200,\n\"results\":[\n{\"user_id\":\"a\"}],\"results_metadata\":{\"next_cursor\":null}}\n",
                &[(3, "a")],
            ),
            ("{\"results\":[{\"user_id\":\"a\"}]}\n{\"results\":[{\"user_id\":\"b\"}]}\n", &[(1, "a"), (2, "b")]),
            ("{\n\"user_id\":\"a\"\n}\n{\n\"user_id\":\"b\"\n}\n", &[(1, "a"), (4, "b")]),
            ("[1, \"x\", {\"user_id\":\"a\"}]", &[(1, "?"), (1, "?"), (1, "a")]),
        ] {
            let (found, ended) = all(text);
            assert_eq!((found, ended), (at(expected), Ok(())), "{text}");
        }
    }

    #[test]
    fn a_bad_line_hides_nobody_and_a_broken_file_says_where() {
        let (found, ended) = all("{\"user_id\":\"a\"}\n{oops\n{\"user_id\":\"b\"}\n");
        assert_eq!((found, ended), (at(&[(1, "a"), (2, "bad"), (3, "b")]), Ok(())));
        let (found, ended) = all("{oops\n{\"user_id\":\"b\"}\n");
        assert_eq!((found, ended), (at(&[(1, "bad"), (2, "b")]), Ok(())));
        let (found, ended) = all("[\n{\"user_id\":\"a\"},\n{\"user_id\":\n");
        assert_eq!(found, at(&[(2, "a")]));
        assert!(ended.as_ref().is_err_and(|why| why.starts_with("line 4: EOF")), "{ended:?}");
        for (text, why) in
            [("", "empty"), (" \n", "empty"), ("hello", "line 1"), ("\"x\"", "line 1"), ("{\"results\": 5}", "list of users")]
        {
            let (found, ended) = all(text);
            assert!(found.is_empty() && ended.as_ref().is_err_and(|told| told.contains(why)), "{text}: {ended:?}");
        }
        let long = format!("{{\"user_id\":\"a\"}}\n\"{}\"\n", "x".repeat(LONGEST_LINE as usize));
        assert!(all(&long).1.is_err_and(|why| why.contains("line 2")));
    }
}
