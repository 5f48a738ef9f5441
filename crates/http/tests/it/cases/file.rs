//! Reading a case file.

#[derive(Default)]
pub struct Case {
    pub app: Vec<(String, String)>,
    pub signed_in: Option<String>,
    pub mails: Option<usize>,
    pub leads_to: Option<String>,
    pub steps: Vec<Step>,
}

#[derive(Default)]
pub struct Step {
    pub repeat: u32,
    pub mailed: bool,
    pub advance: i64,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub status: u16,
    pub expected_headers: Vec<(String, String)>,
    pub absent: Vec<String>,
    pub expected_body: String,
}

pub fn parse(text: &str) -> Case {
    let mut case = Case::default();
    for part in text.split("\n===") {
        let (asked, answered) = part.split_once("\n---\n").expect("a line of --- between request and answer");
        let mut step = Step { repeat: 1, ..Step::default() };
        let mut lines = asked.lines().skip_while(|line| line.is_empty());
        let mut first = lines.next().expect("a request");
        while first.is_empty() || first.starts_with('#') {
            if let Some((key, value)) = first.strip_prefix("# ").and_then(|line| line.split_once(": ")) {
                match key {
                    "app" => {
                        let pairs = value.split(' ').map(|pair| pair.split_once('=').expect("app: key=value"));
                        case.app.extend(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())));
                    }
                    "signed-in" => case.signed_in = Some(value.to_owned()),
                    "mails" => case.mails = Some(value.parse().expect("mails: a number")),
                    "leads-to" => case.leads_to = Some(value.to_owned()),
                    "repeat" => step.repeat = value.parse().expect("repeat: a number"),
                    "mailed" => step.mailed = value == "yes",
                    "advance" => step.advance = value.parse().expect("advance: seconds"),
                    other => panic!("there is no directive \"{other}\""),
                }
            } else {
                assert!(first.is_empty() || first.starts_with("## "), "neither a comment (##) nor a directive: {first}");
            }
            first = lines.next().expect("a request");
        }
        let (method, path) = first.split_once(' ').expect("METHOD path");
        (step.method, step.path) = (method.to_owned(), path.to_owned());
        step.headers = headers(&mut lines).0;
        step.body = lines.collect::<Vec<_>>().join("\n").trim_end().to_owned();
        let mut lines = answered.lines();
        step.status = lines.next().and_then(|line| line.trim().parse().ok()).expect("a status");
        (step.expected_headers, step.absent) = headers(&mut lines);
        step.expected_body = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
        case.steps.push(step);
    }
    case
}

fn headers<'a>(lines: &mut impl Iterator<Item = &'a str>) -> (Vec<(String, String)>, Vec<String>) {
    let (mut there, mut absent) = (Vec::new(), Vec::new());
    for line in lines.take_while(|line| !line.is_empty()) {
        match line.strip_prefix('!') {
            Some(name) => absent.push(name.to_owned()),
            None => {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("not a header: {line}"));
                there.push((name.to_owned(), value.trim_start().to_owned()));
            }
        }
    }
    (there, absent)
}
