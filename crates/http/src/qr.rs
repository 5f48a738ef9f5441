//! QR codes (ISO/IEC 18004) of links, as pictures that a phone reads across a desk: black on white whatever the page's theme, error correction level M, and
//! the four modules of white around it that the standard asks for.

use fast_qr::convert::Builder;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::{ECL, QRBuilder, QRCode};
use passlink_engine::{Error, Result};

/// White modules on each side (ISO/IEC 18004, 6.3.8).
const QUIET: usize = 4;
/// Pixels of a PNG's module: a link of 100 characters gives a picture of about 500 pixels.
const SCALE: usize = 10;

fn code(text: &str) -> Result<QRCode> {
    QRBuilder::new(text).ecl(ECL::M).build().map_err(|error| Error::internal(format!("a text became no QR code: {error:?}")))
}

/// An SVG document, to be shown at any size.
///
/// # Errors
/// `Internal` for a text of more than about two thousand characters.
pub(crate) fn svg(text: &str) -> Result<String> {
    Ok(SvgBuilder::default().margin(QUIET).to_str(&code(text)?))
}

/// A PNG of one bit a pixel.
///
/// # Errors
/// As [`svg`].
pub(crate) fn png(text: &str) -> Result<Vec<u8>> {
    let code = code(text)?;
    let side = (code.size + 2 * QUIET) * SCALE;
    let is_dark = |x: usize, y: usize| {
        let inside = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|at| *at < code.size);
        inside(x).zip(inside(y)).is_some_and(|(x, y)| code[y][x].value())
    };
    // Eight pixels a byte, the left one first; a set bit is white.
    let row = |y: usize| {
        (0..side.div_ceil(8)).map(move |byte| (0..8).fold(0u8, |bits, bit| (bits << 1) | u8::from(!is_dark(byte * 8 + bit, y))))
    };
    let pixels: Vec<u8> = (0..side).flat_map(row).collect();
    let pixels_a_side = u32::try_from(side).map_err(Error::internal)?;
    let mut file = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut file, pixels_a_side, pixels_a_side);
    encoder.set_color(::png::ColorType::Grayscale);
    encoder.set_depth(::png::BitDepth::One);
    let mut writer = encoder.write_header().map_err(Error::internal)?;
    writer.write_image_data(&pixels).map_err(Error::internal)?;
    writer.finish().map_err(Error::internal)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://auth.example.com/l/plk_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// The picture's pixels, `true` for dark, and its side.
    fn read(file: &[u8]) -> (Vec<Vec<bool>>, usize) {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        let side = info.width as usize;
        let row = |y: usize| (0..side).map(|x| bytes[y * info.line_size + x / 8] >> (7 - x % 8) & 1 == 0).collect();
        ((0..side).map(row).collect(), side)
    }

    #[test]
    fn a_picture_is_the_code_with_its_quiet_zone() {
        let code = code(LINK).unwrap();
        let (pixels, side) = read(&png(LINK).unwrap());
        assert_eq!(side, (code.size + 8) * SCALE);
        assert!((400..=600).contains(&side), "{side} pixels");
        for (y, row) in pixels.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let (column, line) = (x / SCALE, y / SCALE);
                let is_inside = |at: usize| (QUIET..QUIET + code.size).contains(&at);
                let wanted = is_inside(column) && is_inside(line) && code[line - QUIET][column - QUIET].value();
                assert_eq!(*dark, wanted, "{x}, {y}");
            }
        }
    }

    #[test]
    fn a_drawing_is_black_on_white_and_has_the_quiet_zone() {
        let (drawing, code) = (svg(LINK).unwrap(), code(LINK).unwrap());
        let side = code.size + 2 * QUIET;
        assert!(
            drawing.starts_with(&format!("<svg viewBox=\"0 0 {side} {side}\" xmlns=\"http://www.w3.org/2000/svg\">")),
            "{drawing}"
        );
        assert!(drawing.contains("#ffffff") && drawing.contains("#000000"), "{drawing}");
        assert!(!drawing.contains("<script") && !drawing.contains("<image") && !drawing.contains("href"));
        assert!(matches!(code.ecl, Some(ECL::M)));
    }

    #[test]
    fn a_text_that_is_too_long_is_an_error() {
        assert!(svg(&"x".repeat(3000)).is_err() && png(&"x".repeat(3000)).is_err());
    }
}
