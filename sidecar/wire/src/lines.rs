//! Cuts a stream of bytes into lines.

use thiserror::Error;

/// A line grew over the limit; the stream cannot be read on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a message is longer than {limit} bytes")]
pub struct TooLong {
    /// The limit in bytes, the newline not counted.
    pub limit: usize,
}

/// Cuts bytes that arrive in arbitrary chunks into lines, without I/O.
///
/// ```
/// let mut lines = tagalong_wire::Lines::new(1024);
/// let mut seen = Vec::new();
/// for chunk in [&b"{\"a\""[..], b":1}\n\n{", b"}\nrest"] {
///     lines.push(chunk, |line| seen.push(line.to_vec()))?;
/// }
/// assert_eq!(seen, [&b"{\"a\":1}"[..], b"{}"]);
/// # Ok::<_, tagalong_wire::TooLong>(())
/// ```
#[derive(Debug)]
pub struct Lines {
    carry: Vec<u8>,
    limit: usize,
}

impl Lines {
    /// Cuts lines of at most `limit` bytes, the newline not counted.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            carry: Vec::new(),
            limit,
        }
    }

    /// Takes the next chunk and hands over each line that it completes, without its newline. Blank lines are left out.
    ///
    /// # Errors
    /// A line is longer than the limit. Lines before it were handed over; what follows is lost.
    pub fn push(&mut self, chunk: &[u8], mut line: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let head = &rest[..at];
            rest = &rest[at + 1..];
            self.check(head.len())?;
            if self.carry.is_empty() {
                hand_over(head, &mut line);
            } else {
                self.carry.extend_from_slice(head);
                hand_over(&self.carry, &mut line);
                // A snapshot is large and rare: its room is given back.
                self.carry = Vec::new();
            }
        }
        self.check(rest.len())?;
        self.carry.extend_from_slice(rest);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), TooLong> {
        if self.carry.len() + more > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        Ok(())
    }
}

fn hand_over(line: &[u8], to: &mut impl FnMut(&[u8])) {
    if !line.iter().all(u8::is_ascii_whitespace) {
        to(line);
    }
}

#[cfg(test)]
mod tests;
