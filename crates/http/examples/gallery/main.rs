//! Writes every page in every state, with its assets, to the folder given as the only argument: to look at, to take
//! screenshots of, and to run accessibility checks on.

use std::path::Path;
use std::{env, fs, io};

use passlink_http::pages::{assets, views};

mod samples;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: gallery <folder>"))?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder.join("assets/brand"))?;
    let mut index = String::from("<!doctype html><meta charset=utf-8><title>Gallery</title><ul>");
    for (name, html) in samples::all() {
        for path in asset_paths(&html) {
            let (_, content) = assets::asset(path).ok_or_else(|| io::Error::other(format!("{name} asks for {path}")))?;
            fs::write(folder.join("assets").join(path), content)?;
        }
        fs::write(folder.join(format!("{name}.html")), html.replace("\"/assets/", "\"assets/"))?;
        index.push_str(&format!("<li><a href=\"{name}.html\">{name}</a>"));
    }
    fs::write(folder.join("index.html"), index)
}

fn asset_paths(html: &str) -> Vec<&str> {
    html.split("\"/assets/").skip(1).filter_map(|rest| rest.split(['"', '?']).next()).collect()
}
