//! Commands and responses as bytes. Part 1, 16.

use sigillo_types::{Marshal, Rc, Reader, Unmarshal};

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;

/// Why a reply is not a successful response.
#[derive(Debug)]
pub(crate) enum Fault {
    Rc(Rc),
    Malformed(&'static str),
}

/// A successful response in its parts.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) handle: Option<u32>,
    pub(crate) parameters: Vec<u8>,
    /// The acknowledgements, one a session.
    pub(crate) sessions: Vec<u8>,
}

/// A command; `area` is the authorization area, if there is one.
pub(crate) fn command(code: u32, handles: &[u32], area: Option<&[u8]>, parameters: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for handle in handles {
        handle.marshal(&mut body);
    }
    if let Some(area) = area {
        u32::try_from(area.len()).unwrap_or(u32::MAX).marshal(&mut body);
        body.extend_from_slice(area);
    }
    body.extend_from_slice(parameters);
    let mut frame = Vec::with_capacity(10 + body.len());
    if area.is_some() { SESSIONS } else { NO_SESSIONS }.marshal(&mut frame);
    u32::try_from(10 + body.len()).unwrap_or(u32::MAX).marshal(&mut frame);
    code.marshal(&mut frame);
    frame.extend_from_slice(&body);
    frame
}

/// Takes a reply apart.
pub(crate) fn response(reply: &[u8], has_handle: bool) -> Result<Response, Fault> {
    let short = |_| Fault::Malformed("it is too short");
    let mut r = Reader::new(reply);
    let tag = u16::unmarshal(&mut r).map_err(short)?;
    let size = u32::unmarshal(&mut r).map_err(short)?;
    let code = u32::unmarshal(&mut r).map_err(short)?;
    if usize::try_from(size) != Ok(reply.len()) {
        return Err(Fault::Malformed("its size field is wrong"));
    }
    if code != 0 {
        return Err(Fault::Rc(Rc::from_raw(code)));
    }
    let handle = if has_handle { Some(u32::unmarshal(&mut r).map_err(short)?) } else { None };
    let (parameters, sessions) = match tag {
        NO_SESSIONS => (r.rest().to_vec(), Vec::new()),
        SESSIONS => {
            let count = u32::unmarshal(&mut r).map_err(short)?;
            let parameters = r.take(usize::try_from(count).unwrap_or(usize::MAX)).map_err(short)?;
            (parameters.to_vec(), r.rest().to_vec())
        }
        _ => return Err(Fault::Malformed("its tag is unknown")),
    };
    Ok(Response { handle, parameters, sessions })
}
