//! Texts of strangers, cut to a length.

/// What a log line takes of a stranger's text, in bytes: the longest name that Kubernetes has.
pub(crate) const LOGGED: usize = 253;

/// At most `longest` bytes of `text`, cut between characters; `…` says that there was more.
pub(crate) fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = text.floor_char_boundary(longest.saturating_sub('…'.len_utf8()));
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("short".to_owned(), 256), "short");
        for text in ["x".repeat(1000), "ä".repeat(1000), "→".repeat(1000)] {
            let short = cut(text, 256);
            assert!(short.len() <= 256 && short.len() > 248 && short.ends_with('…'));
        }
    }
}
