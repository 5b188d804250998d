//! The little of the tar format (POSIX ustar) that a layer of files and directories needs.

use super::unfit;
use crate::error::Result;

const BLOCK: usize = 512;

#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn file(&mut self, path: &str, contents: &[u8], mode: u32) -> Result<()> {
        self.header(path, contents.len(), mode, b'0')?;
        self.bytes.extend_from_slice(contents);
        self.pad();
        Ok(())
    }

    pub fn directory(&mut self, path: &str, mode: u32) -> Result<()> {
        self.header(&format!("{path}/"), 0, mode, b'5')
    }

    /// Two empty blocks end an archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }

    fn pad(&mut self) {
        let full = self.bytes.len().next_multiple_of(BLOCK);
        self.bytes.resize(full, 0);
    }

    fn header(&mut self, path: &str, size: usize, mode: u32, kind: u8) -> Result<()> {
        let mut block = [0; BLOCK];
        let (prefix, name) = split(path)
            .ok_or_else(|| unfit(format!("the path {path:?} does not fit a tar header")))?;
        put(&mut block, 0, name.as_bytes());
        put(&mut block, 100, format!("{mode:07o}").as_bytes());
        put(&mut block, 108, b"0000000"); // uid
        put(&mut block, 116, b"0000000"); // gid
        put(&mut block, 124, format!("{size:011o}").as_bytes());
        put(&mut block, 136, b"00000000000"); // mtime
        block[156] = kind;
        put(&mut block, 257, b"ustar\x0000");
        put(&mut block, 345, prefix.as_bytes());
        // The sum is taken with its own field as blanks.
        put(&mut block, 148, b"        ");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        put(&mut block, 148, format!("{sum:06o}\0").as_bytes());
        self.bytes.extend_from_slice(&block);
        Ok(())
    }
}

fn put(block: &mut [u8; BLOCK], offset: usize, field: &[u8]) {
    block[offset..offset + field.len()].copy_from_slice(field);
}

/// At most 100 bytes of name after at most 155 of prefix.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(slash, _)| (&path[..slash], &path[slash + 1..]))
        .find(|(prefix, name)| prefix.len() <= 155 && !name.is_empty() && name.len() <= 100)
}
