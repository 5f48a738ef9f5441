//! Descriptions: the little of Markdown that doc comments use. Everything else stays as it was typed.

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Words.
    Text(String),
    /// Between backticks.
    Code(String),
}

/// A paragraph, a list or a block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Running text.
    Paragraph(Vec<Span>),
    /// Lines that began with `-` or `*`.
    List(Vec<Vec<Span>>),
    /// Between fences.
    Code(String),
}

/// Reads a description.
pub fn read(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph: Vec<&str> = Vec::new();
    let mut items: Vec<String> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with("```") {
            flush(&mut blocks, &mut paragraph, &mut items);
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```")).collect();
            blocks.push(Block::Code(code.join("\n")));
        } else if line.is_empty() {
            flush(&mut blocks, &mut paragraph, &mut items);
        } else if let Some(item) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
            if !paragraph.is_empty() {
                flush(&mut blocks, &mut paragraph, &mut items);
            }
            items.push(item.to_owned());
        } else if let Some(last) = items.last_mut() {
            last.push(' ');
            last.push_str(line);
        } else {
            paragraph.push(line.trim_start_matches('#').trim_start());
        }
    }
    flush(&mut blocks, &mut paragraph, &mut items);
    blocks
}

fn flush(blocks: &mut Vec<Block>, paragraph: &mut Vec<&str>, items: &mut Vec<String>) {
    if !paragraph.is_empty() {
        blocks.push(Block::Paragraph(spans(&std::mem::take(paragraph).join(" "))));
    }
    if !items.is_empty() {
        blocks.push(Block::List(std::mem::take(items).iter().map(|item| spans(item)).collect()));
    }
}

/// Reads one line.
pub fn spans(line: &str) -> Vec<Span> {
    let plain = line.replace("**", "");
    let pieces: Vec<&str> = plain.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return vec![Span::Text(plain)];
    }
    let span = |(index, piece): (usize, &&str)| {
        let piece = (*piece).to_owned();
        if index.is_multiple_of(2) { Span::Text(piece) } else { Span::Code(piece) }
    };
    pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_lists_and_code_are_told_apart() {
        let text = |text: &str| Span::Text(text.to_owned());
        let blocks = read("One\ntwo `x`.\n\n- a\n  b\n- c\n\n```json\n{\n}\n```\nEnd ` here");
        assert_eq!(
            blocks,
            [
                Block::Paragraph(vec![text("One two "), Span::Code("x".to_owned()), text(".")]),
                Block::List(vec![vec![text("a b")], vec![text("c")]]),
                Block::Code("{\n}".to_owned()),
                Block::Paragraph(vec![text("End ` here")]),
            ]
        );
    }
}
