//! The static files the pages need, embedded in the binary, and the addresses under which pages ask for them.

use std::borrow::Cow;

use rust_embed::RustEmbed;

use super::brand::{self, Rgb};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// The file that `/assets/{path}` names, with its content type; `None` when there is none. `brand/<rrggbb>.css` is made
/// on the spot.
pub fn asset(path: &str) -> Option<(&'static str, Cow<'static, [u8]>)> {
    if let Some(colour) = path.strip_prefix("brand/").and_then(|name| name.strip_suffix(".css")) {
        let colour = Rgb::parse_digits(colour)?;
        return Some(("text/css; charset=utf-8", Cow::Owned(brand::stylesheet(colour).into_bytes())));
    }
    let content_type = match path.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    };
    Some((content_type, Files::get(path)?.data))
}

/// The address of an embedded file. It changes whenever the file does, so that the answer may be cached for ever.
pub fn address(path: &str) -> String {
    let version = Files::get(path).map_or(0, |file| {
        let hash = file.metadata.sha256_hash();
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    });
    format!("/assets/{path}?v={version:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_content_type() {
        for path in Files::iter() {
            assert!(asset(&path).is_some(), "{path}");
        }
    }

    #[test]
    fn brand_stylesheets_exist_for_colours_only() {
        assert_eq!(asset("brand/0a5fd8.css").unwrap().0, "text/css; charset=utf-8");
        for bad in
            ["brand/0a5fd.css", "brand/0a5fg8.css", "brand/+a5fd8.css", "brand/.css", "brand/../passlink.css", "nothing", ""]
        {
            assert!(asset(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn address_names_the_version() {
        let address = address("passlink.css");
        assert!(address.starts_with("/assets/passlink.css?v=") && !address.ends_with("00000000"), "{address}");
    }
}
