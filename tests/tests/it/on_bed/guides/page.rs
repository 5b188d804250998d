//! A page of the guides, and the code blocks in it.

use crate::root;

/// How a block is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The page says why it is not.
    NotRun,
    /// By a shell, against a real API server.
    Run,
    /// Rendered by Helm, as values of the chart.
    Values,
    /// Sent to a real API server, which keeps nothing of it.
    Manifest,
}

/// What stands between two fences.
pub struct Block {
    /// The line of the first fence.
    pub line: usize,
    /// How it is tried, or why that cannot be told.
    pub way: Result<Way, String>,
    pub text: String,
}

impl Block {
    pub fn is(&self, way: Way) -> bool {
        self.way == Ok(way)
    }
}

/// A page of the guides.
pub struct Page {
    pub name: String,
    pub text: String,
    pub blocks: Vec<Block>,
}

/// All pages, by name.
pub fn pages() -> Vec<Page> {
    let directory = root().join("docs/guides");
    let entries = std::fs::read_dir(directory).expect("there are guides");
    let mut pages: Vec<Page> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            let text = std::fs::read_to_string(&path).expect("a page");
            Page {
                blocks: blocks(&text),
                name: name.into_owned(),
                text,
            }
        })
        .collect();
    pages.sort_by(|one, other| one.name.cmp(&other.name));
    pages
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut remark = "";
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(block) = &mut open {
            if line == "```" {
                blocks.extend(open.take());
            } else {
                block.text.push_str(line);
                block.text.push('\n');
            }
            continue;
        }
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let nested = line.starts_with(' ');
            open = Some(Block {
                line: number + 1,
                way: if nested {
                    Err("a block stands at the beginning of its lines".to_owned())
                } else {
                    way(language, remark)
                },
                text: String::new(),
            });
            remark = "";
        } else if line.starts_with("    ") {
            blocks.push(Block {
                line: number + 1,
                way: Err("a block stands between fences".to_owned()),
                text: line.to_owned(),
            });
        } else if !line.is_empty() {
            let comment = line.strip_prefix("<!-- ");
            remark = comment
                .and_then(|rest| rest.strip_suffix(" -->"))
                .unwrap_or("");
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

fn way(language: &str, remark: &str) -> Result<Way, String> {
    if let Some(why) = remark.strip_prefix("not run: ")
        && !why.trim().is_empty()
    {
        return Ok(Way::NotRun);
    }
    match (language, remark) {
        ("sh", "run") => Ok(Way::Run),
        ("yaml", "values") => Ok(Way::Values),
        ("yaml", "") => Ok(Way::Manifest),
        _ => Err(format!(
            "neither tried nor marked: `{language}` after `{remark}`"
        )),
    }
}
