//! The `newc` archive a kernel unpacks its initramfs from (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
//! Written here because the bytes must be the same at every build: owner 0, time 0, order as given.
use std::io::Write;

const DIRECTORY: u32 = 0o040_755;
const SYMLINK: u32 = 0o120_777;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;

/// An archive being written.
pub(crate) struct Archive<W: Write> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, inode: 0 }
    }

    pub(crate) fn directory(&mut self, path: &str) -> std::io::Result<()> {
        self.entry(path, DIRECTORY, &[])
    }

    pub(crate) fn symlink(&mut self, path: &str, to: &str) -> std::io::Result<()> {
        self.entry(path, SYMLINK, to.as_bytes())
    }

    pub(crate) fn file(&mut self, path: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.entry(path, FILE, bytes)
    }

    pub(crate) fn program(&mut self, path: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.entry(path, PROGRAM, bytes)
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> std::io::Result<W> {
        self.entry("TRAILER!!!", 0, &[])?;
        Ok(self.out)
    }

    fn entry(&mut self, path: &str, mode: u32, bytes: &[u8]) -> std::io::Result<()> {
        self.inode += 1;
        let too_long = |_| std::io::Error::other("an entry of 4 GiB or more");
        let size = u32::try_from(bytes.len()).map_err(too_long)?;
        let name = u32::try_from(path.len() + 1).map_err(too_long)?;
        let links = if mode == DIRECTORY { 2 } else { 1 };
        write!(self.out, "070701")?;
        for field in [self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name, 0] {
            write!(self.out, "{field:08X}")?;
        }
        self.out.write_all(path.as_bytes())?;
        self.out.write_all(&[0])?;
        self.pad(110 + path.len() + 1)?;
        self.out.write_all(bytes)?;
        self.pad(bytes.len())
    }

    fn pad(&mut self, written: usize) -> std::io::Result<()> {
        self.out.write_all(&[0; 3][..(4 - written % 4) % 4])
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn an_entry_is_a_110_byte_header_name_and_data_padded_to_four() {
        let mut archive = Archive::new(Vec::new());
        archive.file("ab", b"hello").unwrap();
        let bytes = archive.finish().unwrap();
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[14..22], b"000081A4");
        assert_eq!(&bytes[54..62], b"00000005");
        assert_eq!(&bytes[110..113], b"ab\0");
        assert_eq!(&bytes[116..121], b"hello");
        assert_eq!(&bytes[124..130], b"070701");
        assert!(bytes.len().is_multiple_of(4));
    }
}
