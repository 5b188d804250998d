//! A label up to its opening quote, compared at once.

/// A label up to its opening quote, if that is not too long to be compared at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opening {
    bytes: u128,
    len: usize,
}

impl Opening {
    pub(crate) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; 16];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text);
                Self {
                    bytes: u128::from_le_bytes(bytes),
                    len: text.len(),
                }
            }
            None => Self::default(),
        }
    }

    /// The index after it, if it stands at `i` again.
    #[inline]
    pub(crate) fn again(self, block: &[u8], i: usize) -> Option<usize> {
        let here = u128::from_le_bytes(*block.get(i..)?.first_chunk()?);
        let behind = 128_usize
            .checked_sub(8 * self.len)
            .filter(|bits| *bits < 128)?;
        ((here ^ self.bytes) << behind == 0).then_some(i + self.len)
    }
}
