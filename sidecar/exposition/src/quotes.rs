//! Whether a line ends inside a quoted value.
//!
//! Kong does not escape a line feed in a consumer's name, and Prometheus' own scraper takes it for a part of the
//! value. The lines that follow, up to the one with the closing quote, are then not lines at all. What stands in them was chosen
//! by whoever named the consumer, and must not be mistaken for samples.

use memchr::memchr2;

/// Follows the labels of a sample over any number of pieces, byte by byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// In front of the metric's name.
    #[default]
    Start,
    /// In the metric's name.
    Name,
    /// Between the metric's name and the opening brace.
    Named,
    /// Where a label may begin.
    Label,
    /// In a label's name.
    LabelName,
    /// Between a label's name and the equals sign.
    LabelNamed,
    /// Between the equals sign and the opening quote.
    Equals,
    /// Between two quotes.
    Value,
    /// Behind a backslash between two quotes.
    Escape,
    /// Behind the closing quote.
    Closed,
    /// Behind the closing brace, or not in a sample at all: quotes mean nothing here.
    Over,
}

impl Quotes {
    /// Whether a line feed here is part of a value.
    #[inline]
    pub(crate) fn open(self) -> bool {
        matches!(self, Self::Value | Self::Escape)
    }

    /// Whether a line begins here.
    #[inline]
    pub(crate) fn begins(self) -> bool {
        self == Self::Start
    }

    /// Takes the last piece of a line, with its line feed. Outside of a value, a new sample may begin behind it.
    pub(crate) fn end_line(&mut self, piece: &[u8]) {
        self.feed(piece);
        if !self.open() {
            *self = Self::Start;
        }
    }

    /// Takes a piece of a line.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            match self {
                Self::Over => return,
                Self::Value => {
                    let Some(stop) = memchr2(b'"', b'\\', rest) else {
                        return;
                    };
                    *self = if rest.get(stop) == Some(&b'"') {
                        Self::Closed
                    } else {
                        Self::Escape
                    };
                    rest = rest.get(stop + 1..).unwrap_or_default();
                }
                _ => {
                    *self = self.next(byte);
                    rest = after;
                }
            }
        }
    }

    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Start, b' ' | b'\t') => Self::Start,
            (Self::Start, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':') => Self::Name,
            (Self::Name, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b':' | b'0'..=b'9') => Self::Name,
            (Self::Name | Self::Named, b' ' | b'\t') => Self::Named,
            (Self::Name | Self::Named, b'{') => Self::Label,
            (Self::Label, b' ' | b'\t') => Self::Label,
            (Self::Label, b'a'..=b'z' | b'A'..=b'Z' | b'_') => Self::LabelName,
            (Self::LabelName, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9') => Self::LabelName,
            (Self::LabelName | Self::LabelNamed, b' ' | b'\t') => Self::LabelNamed,
            (Self::LabelName | Self::LabelNamed, b'=') => Self::Equals,
            (Self::Equals, b' ' | b'\t') => Self::Equals,
            (Self::Equals, b'"') => Self::Value,
            (Self::Value | Self::Escape, _) => Self::Value,
            (Self::Closed, b' ' | b'\t') => Self::Closed,
            (Self::Closed, b',') => Self::Label,
            _ => Self::Over,
        }
    }
}
