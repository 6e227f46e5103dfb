//! Derives for `sigillo-types`: the declaration of a structure or command is its whole code.
//!
//! `Marshal` and `Unmarshal` read `#[tpm(...)]`:
//! - on a struct: `sized` puts a 16-bit size in front (TPM2B of a structure); `max = 64` on a field answers `SIZE` for more;
//! - on an enum without data: `repr = u16`, `error = HASH` (the code for any other value), `null = 0x0010` (makes it
//!   nullable);
//!   `gate = curve` refuses with `error` what the method `curve` of the reader's `Implemented` says no to;
//! - on an enum with data: `tag = u16`, `error`, `null`, `gate`, and `#[tpm(tag = 0x0014)]` on each variant. Such an enum is also a
//!   `MarshalUnion`/`UnmarshalUnion`, for structures whose selector stands apart from the union.
//!
//! `Command` reads `#[command(code = .., name = "..", clause = "..", response = T, nv, extensive, flushed, no_sessions)]` and
//! `#[handle(auth = user | admin | dup)]` on fields. `Response` reads `#[handle]`.

mod command;
mod data;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `sigillo_types::Marshal`.
#[proc_macro_derive(Marshal, attributes(tpm))]
pub fn marshal(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    data::marshal(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `sigillo_types::Unmarshal`, and `Nullable` where `null` is given.
#[proc_macro_derive(Unmarshal, attributes(tpm))]
pub fn unmarshal(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    data::unmarshal(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `sigillo_types::command::Command` and the positions of its handles and parameters.
#[proc_macro_derive(Command, attributes(command, handle))]
pub fn command(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    command::command(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `sigillo_types::command::Response`.
#[proc_macro_derive(Response, attributes(handle))]
pub fn response(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    command::response(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
