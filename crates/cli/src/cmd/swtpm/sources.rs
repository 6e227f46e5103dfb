//! Keys and sockets as swtpm's options name them.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use sigillo_server::fds;
use sigillo_server::key::KeyMaterial;
use sigillo_server::net::{Listener, Socket};
use sigillo_server::serve::{Endpoint, Endpoints};
use sigillo_store::Secret;
use zeroize::Zeroizing;

use super::options::{Args, Words};
use super::{Sockets, listen};

/// The key or passphrase an option names.
pub(super) fn key(option: &'static str, text: &str) -> Result<KeyMaterial, String> {
    let mut words = Words::new(option, text);
    let mode = words.value("mode")?;
    let bytes = match mode.as_deref() {
        None | Some("aes-cbc" | "aes-128-cbc") => 16,
        Some("aes-256-cbc") => 32,
        Some(_) => return Err(words.error("mode is aes-cbc, aes-128-cbc or aes-256-cbc")),
    };
    let remove = words.flag("remove");
    if let Some(kdf) = words.value("kdf")?
        && !matches!(kdf.as_str(), "sha512" | "pbkdf2")
    {
        return Err(words.error("kdf is sha512 or pbkdf2"));
    }
    let format = words.value("format")?;
    let (file, fd) = (words.path("file")?, words.number::<i32>("fd", 10)?);
    let (pwdfile, pwdfd) = (words.path("pwdfile")?, words.number::<i32>("pwdfd", 10)?);
    let failed = |error: io::Error| format!("--{option}: {error}");
    let read = |path: Option<&Path>, fd: Option<i32>| -> io::Result<Secret> {
        let source = match (path, fd) {
            (Some(path), _) => open_plain(path)?,
            (None, Some(fd)) => File::from(fds::inherited(fd)?),
            (None, None) => return Err(io::ErrorKind::NotFound.into()),
        };
        let secret = fds::read_secret(source)?;
        if let (true, Some(path)) = (remove, path) {
            std::fs::remove_file(path)?;
        }
        Ok(secret)
    };
    let given = [file.is_some(), fd.is_some(), pwdfile.is_some(), pwdfd.is_some()]
        .iter()
        .filter(|given| **given)
        .count();
    if given != 1 {
        return Err(words.error("give one of file=, fd=, pwdfile= and pwdfd="));
    }
    if pwdfile.is_some() || pwdfd.is_some() {
        words.end()?;
        return read(pwdfile.as_deref(), pwdfd).map(KeyMaterial::Passphrase).map_err(failed);
    }
    let raw = read(file.as_deref(), fd).map_err(failed)?;
    let secret = match format.as_deref() {
        None | Some("hex") => unhex(raw.expose(), bytes),
        Some("binary") => raw.expose().get(..bytes).map(Secret::from_slice),
        Some(_) => return Err(words.error("format is hex or binary")),
    };
    let short = words.error(&format!("the key must have {bytes} bytes"));
    words.end()?;
    secret.map(KeyMaterial::Random).ok_or(short)
}

/// Hexadecimal digits, perhaps after 0x and before a line's end.
fn unhex(text: &[u8], bytes: usize) -> Option<Secret> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"0x").unwrap_or(text);
    if text.len() != bytes.checked_mul(2)? {
        return None;
    }
    let mut out = Zeroizing::new(Vec::with_capacity(bytes));
    for pair in text.chunks_exact(2) {
        let digits = std::str::from_utf8(pair).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        out.push(u8::from_str_radix(digits, 16).ok()?);
    }
    Some(Secret::from_slice(&out))
}

fn open_plain(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Makes or empties a file of ours; a symbolic link is not followed.
pub(super) fn create_plain(path: &Path) -> io::Result<File> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH)?))
}

/// Everything the process is to listen on.
pub(super) fn sockets(args: &Args) -> Result<Sockets, String> {
    let mut sockets = Sockets {
        endpoints: Endpoints::default(),
        terminate_with_control: false,
        disconnect: false,
        null: None,
    };
    if args.detached {
        sockets.null =
            Some(File::options().read(true).write(true).open("/dev/null").map_err(|e| e.to_string())?);
    }
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    if args.interface == "mssim" {
        let port = args.port.unwrap_or(2321);
        let next = port.checked_add(1).ok_or("--port: there is no port after it for the platform")?;
        sockets.endpoints.simulator = Some((listen(local(port))?, listen(local(next))?));
        return Ok(sockets);
    }
    if let Some(text) = &args.server {
        let mut words = Words::new("server", text);
        sockets.disconnect = words.flag("disconnect");
        sockets.endpoints.data = Some(endpoint(&mut words, Some("tcp"), "TPM_PORT")?);
        words.end()?;
    } else if let Some(port) = args.port {
        sockets.endpoints.data = Some(Endpoint::Listener(listen(local(port))?));
    } else if let Some(fd) = args.fd {
        sockets.endpoints.data = Some(from_fd(fd)?);
    }
    if let Some(text) = &args.ctrl {
        let mut words = Words::new("ctrl", text);
        sockets.terminate_with_control = words.flag("terminate");
        sockets.endpoints.control = Some(match words.number::<i32>("clientfd", 10)? {
            Some(fd) => {
                words.value("type")?;
                from_fd(fd)?
            }
            None => endpoint(&mut words, None, "")?,
        });
        words.end()?;
    }
    Ok(sockets)
}

fn from_fd(fd: i32) -> Result<Endpoint, String> {
    let named = |error: io::Error| format!("descriptor {fd}: {error}");
    let owned = fds::inherited(fd).map_err(named)?;
    match Listener::new(owned.try_clone().map_err(named)?) {
        Ok(listener) => Ok(Endpoint::Listener(listener)),
        Err(_) => Socket::new(owned).map(Endpoint::Client).map_err(named),
    }
}

/// Where one channel listens; `default` is its type where the option names none, which swtpm allows for data alone.
fn endpoint(words: &mut Words, default: Option<&str>, port_variable: &str) -> Result<Endpoint, String> {
    let kind = words.value("type")?;
    let kind = kind.as_deref().or(default);
    if let Some(fd) = words.number::<i32>("fd", 10)? {
        return from_fd(fd);
    }
    match kind {
        Some("unixio") => {
            let path = words.path("path")?.ok_or_else(|| words.error("a Unix socket needs path= or fd="))?;
            let mode = words.number("mode", 8)?.unwrap_or(0o600);
            let uid: Option<u32> = words.number("uid", 10)?;
            let gid: Option<u32> = words.number("gid", 10)?;
            let path = std::path::absolute(&path).map_err(|e| e.to_string())?;
            let named = |error: io::Error| format!("{}: {error}", path.display());
            let listener = Listener::unix(&path, mode).map_err(named)?;
            if uid.is_some() || gid.is_some() {
                listener.give_to(uid, gid).map_err(named)?;
            }
            Ok(Endpoint::Listener(listener))
        }
        Some("tcp") => {
            let variable = || std::env::var(port_variable).ok()?.parse().ok();
            let port = words.number("port", 10)?.or_else(variable);
            let port = port.ok_or_else(|| words.error("TCP needs port= or fd="))?;
            let address = match words.value("bindaddr")? {
                None => IpAddr::V4(Ipv4Addr::LOCALHOST),
                Some(text) => text.parse().map_err(|_| words.error("bindaddr is no IP address"))?,
            };
            Ok(Endpoint::Listener(listen(SocketAddr::new(address, port))?))
        }
        _ => Err(words.error("type is unixio or tcp")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("k"), bytes).unwrap();
        let path = dir.path().join("k").display().to_string();
        (dir, path)
    }

    #[test]
    fn a_hexadecimal_key_has_the_length_of_its_mode() {
        let (_dir, path) = written(b"000102030405060708090a0b0c0d0e0f\n");
        let KeyMaterial::Random(secret) = key("key", &format!("file={path},mode=aes-128-cbc")).unwrap()
        else {
            panic!("a key is no passphrase");
        };
        assert_eq!(secret.expose(), (0..16).collect::<Vec<u8>>());
        assert!(key("key", &format!("file={path},mode=aes-256-cbc")).is_err());
        assert!(key("key", &format!("file={path},mode=des")).is_err());
        assert!(key("key", &format!("file={path},pwdfile={path}")).is_err());
        assert!(key("key", "mode=aes-cbc").is_err());
    }

    #[test]
    fn a_passphrase_is_taken_as_it_is_and_its_file_removed_on_demand() {
        let (_dir, path) = written(b"open sesame");
        let made = key("key", &format!("pwdfile={path},mode=aes-256-cbc,remove,kdf=pbkdf2")).unwrap();
        assert!(matches!(made, KeyMaterial::Passphrase(words) if words.expose() == b"open sesame"));
        assert!(!std::fs::exists(path).unwrap());
    }

    #[test]
    fn a_link_is_no_key_file_and_no_pid_file() {
        let (dir, path) = written(b"000102030405060708090a0b0c0d0e0f");
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(key("key", &format!("file={}", link.display())).is_err());
        assert!(create_plain(&link).is_err());
        assert_eq!(std::fs::read(path).unwrap().len(), 32);
    }
}
