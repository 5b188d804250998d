//! Chunks in, whole lines out: the unfinished line at the end of a chunk is carried into the next.

use memchr::{memchr, memrchr};

/// A stretch of the input, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stretch<'a> {
    /// Whole lines, each with its line feed. One of them may be over-long.
    Lines(&'a [u8]),
    /// A piece of a line that grew over-long before its end was there.
    OverLong {
        piece: &'a [u8],
        /// Whether the line ends with it: by a line feed, or because the input ends.
        last: bool,
    },
}

/// Carries what the last chunk left unfinished. It holds no more than one line, and none that is over-long.
#[derive(Debug)]
pub(crate) struct Carry {
    /// The longest line, in bytes without its line feed.
    max_line: usize,
    line: Vec<u8>,
    /// The unfinished line is over-long, and what was there of it has been handed on.
    over_long: bool,
}

impl Carry {
    pub(crate) fn new(max_line: usize) -> Self {
        Self {
            max_line,
            line: Vec::new(),
            over_long: false,
        }
    }

    /// Takes the next chunk, cut anywhere, and hands on what is whole.
    #[inline]
    pub(crate) fn push(&mut self, chunk: &[u8], mut take: impl FnMut(Stretch<'_>)) {
        let mut rest = chunk;
        if self.over_long || !self.line.is_empty() {
            let Some(end) = memchr(b'\n', chunk) else {
                return self.extend(chunk, &mut take);
            };
            let (line_end, after) = chunk.split_at(end + 1);
            rest = after;
            self.extend(&line_end[..end], &mut take);
            self.end(b"\n", &mut take);
        }
        let whole = memrchr(b'\n', rest).map_or(0, |end| end + 1);
        let (lines, unfinished) = rest.split_at(whole);
        if !lines.is_empty() {
            take(Stretch::Lines(lines));
        }
        self.extend(unfinished, &mut take);
    }

    /// The input has ended: hands on a last line, to which it adds a line feed. Returns whether it did.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(Stretch<'_>)) -> bool {
        let unended = !self.line.is_empty();
        if self.over_long || unended {
            self.end(b"", &mut take);
        }
        unended
    }

    /// Takes a piece of a line that holds no line feed.
    fn extend(&mut self, piece: &[u8], take: &mut impl FnMut(Stretch<'_>)) {
        if piece.is_empty() {
            return;
        }
        if !self.over_long && self.line.len() + piece.len() > self.max_line {
            self.over_long = true;
            take(Stretch::OverLong {
                piece: &self.line,
                last: false,
            });
            self.line.clear();
        }
        if self.over_long {
            take(Stretch::OverLong { piece, last: false });
        } else {
            self.line.extend_from_slice(piece);
        }
    }

    /// The carried line has ended, with a line feed or without.
    fn end(&mut self, feed: &[u8], take: &mut impl FnMut(Stretch<'_>)) {
        if std::mem::take(&mut self.over_long) {
            return take(Stretch::OverLong {
                piece: feed,
                last: true,
            });
        }
        self.line.push(b'\n');
        take(Stretch::Lines(&self.line));
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of the chunks, over-long pieces between brackets.
    fn carried(max_line: usize, chunks: &[&str]) -> String {
        let mut out = String::new();
        let mut carry = Carry::new(max_line);
        let mut take = |stretch: Stretch<'_>| match stretch {
            Stretch::Lines(lines) => out += &String::from_utf8_lossy(lines),
            Stretch::OverLong { piece, last } => {
                out += &format!("[{}]", String::from_utf8_lossy(piece));
                out += if last { "!" } else { "" };
            }
        };
        for chunk in chunks {
            carry.push(chunk.as_bytes(), &mut take);
        }
        carry.finish(&mut take);
        out
    }

    #[test]
    fn lines_are_whole_wherever_the_cuts_are() {
        let text = "ab\n\ncd";
        for first in 0..text.len() {
            for second in first..text.len() {
                let chunks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(carried(9, &chunks), "ab\n\ncd\n", "{first}, {second}");
            }
        }
        assert_eq!(carried(9, &[]), "");
    }

    #[test]
    fn an_over_long_line_is_not_held() {
        assert_eq!(carried(3, &["a\nbcd", "e", "\nf"]), "a\n[bcd][e][\n]!f\n");
        assert_eq!(carried(3, &["abc", "\n"]), "abc\n");
        assert_eq!(carried(2, &["abc"]), "[][abc][]!");
        assert_eq!(carried(0, &["abc\n"]), "abc\n");
    }
}
