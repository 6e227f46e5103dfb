//! `Command` and `Response`: one declaration, read by the engine, the client and the documentation.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Path, Result};

/// What `#[command(...)]` says.
#[derive(Default)]
struct Options {
    code: Option<syn::LitInt>,
    name: Option<LitStr>,
    clause: Option<LitStr>,
    response: Option<Path>,
    flags: Vec<Ident>,
}

const FLAGS: [&str; 4] = ["nv", "extensive", "flushed", "no_sessions"];

impl Options {
    fn read(input: &DeriveInput) -> Result<Self> {
        let mut options = Self::default();
        for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("command")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("code") {
                    options.code = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("clause") {
                    options.clause = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("response") {
                    options.response = Some(meta.value()?.parse()?);
                } else if let Some(flag) =
                    meta.path.get_ident().filter(|ident| FLAGS.iter().any(|f| ident == f))
                {
                    options.flags.push(flag.clone());
                } else {
                    return Err(meta.error("unknown option"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }

    fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }
}

fn missing(input: &DeriveInput, what: &str) -> Error {
    Error::new_spanned(&input.ident, format!("`#[command(...)]` needs `{what}`"))
}

fn fields(input: &DeriveInput) -> Result<Vec<&Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Ok(named.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(_) => Err(Error::new_spanned(&input.ident, "needs named fields")),
        },
        Data::Enum(_) | Data::Union(_) => Err(Error::new_spanned(&input.ident, "must be a struct")),
    }
}

fn is_handle(field: &Field) -> bool {
    field.attrs.iter().any(|attr| attr.path().is_ident("handle"))
}

fn name_of(field: &Field) -> Result<&Ident> {
    field.ident.as_ref().ok_or_else(|| Error::new_spanned(field, "needs a name"))
}

/// The authorization role in `#[handle(auth = role)]`.
fn role(field: &Field) -> Result<TokenStream> {
    let mut role = quote!(None);
    for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("handle")) {
        if matches!(attr.meta, syn::Meta::Path(_)) {
            continue;
        }
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("auth") {
                return Err(meta.error("unknown option"));
            }
            let value: Ident = meta.value()?.parse()?;
            let variant = match value.to_string().as_str() {
                "user" => quote!(User),
                "admin" => quote!(Admin),
                "dup" => quote!(Dup),
                _ => return Err(Error::new_spanned(value, "a role is user, admin or dup")),
            };
            role = quote!(Some(::sigillo_types::command::AuthRole::#variant));
            Ok(())
        })?;
    }
    Ok(role)
}

fn field_specs(fields: &[&Field]) -> Result<Vec<TokenStream>> {
    fields
        .iter()
        .map(|field| {
            let name = name_of(field)?.to_string();
            let ty = &field.ty;
            Ok(quote!(::sigillo_types::command::FieldSpec {
                name: #name,
                sized: <#ty as ::sigillo_types::Marshal>::SIZED,
            }))
        })
        .collect()
}

/// `NAME: Position` constants for the fields of one kind.
fn positions(fields: &[&Field], kind: &str) -> Result<Vec<TokenStream>> {
    let kind = format_ident!("{kind}");
    fields
        .iter()
        .zip(1u8..)
        .map(|(field, number)| {
            let name = name_of(field)?;
            let constant = format_ident!("{}", name.to_string().to_uppercase());
            let doc = format!("Where `{name}` stands.");
            Ok(quote! {
                #[doc = #doc]
                pub const #constant: ::sigillo_types::Position = ::sigillo_types::Position::#kind(#number);
            })
        })
        .collect()
}

pub(crate) fn command(input: &DeriveInput) -> Result<TokenStream> {
    let options = Options::read(input)?;
    let ident = &input.ident;
    let code = options.code.as_ref().ok_or_else(|| missing(input, "code"))?;
    let name = options.name.as_ref().ok_or_else(|| missing(input, "name"))?;
    let clause = options.clause.as_ref().ok_or_else(|| missing(input, "clause"))?;
    let response = options.response.as_ref().ok_or_else(|| missing(input, "response"))?;
    let [nv, extensive, flushed, no_sessions] = FLAGS.map(|flag| options.flag(flag));

    let (handles, parameters): (Vec<&Field>, Vec<&Field>) =
        fields(input)?.into_iter().partition(|field| is_handle(field));
    let handle_names = handles.iter().map(|field| name_of(field)).collect::<Result<Vec<_>>>()?;
    let handle_types: Vec<_> = handles.iter().map(|field| &field.ty).collect();
    let handle_roles = handles.iter().map(|field| role(field)).collect::<Result<Vec<_>>>()?;
    let handle_labels: Vec<_> = handle_names.iter().map(ToString::to_string).collect();
    let handle_indices: Vec<_> = (0..handles.len()).collect();
    let handle_numbers: Vec<u8> = (1u8..).take(handles.len()).collect();
    let parameter_names = parameters.iter().map(|field| name_of(field)).collect::<Result<Vec<_>>>()?;
    let parameter_numbers: Vec<u8> = (1u8..).take(parameters.len()).collect();
    let parameter_specs = field_specs(&parameters)?;
    let handle_positions = positions(&handles, "Handle")?;
    let parameter_positions = positions(&parameters, "Parameter")?;

    Ok(quote! {
        impl #ident {
            #(#handle_positions)*
            #(#parameter_positions)*
        }

        impl ::sigillo_types::command::Command for #ident {
            type Response = #response;

            const SPEC: &'static ::sigillo_types::command::CommandSpec = &::sigillo_types::command::CommandSpec {
                code: #code,
                name: #name,
                clause: #clause,
                nv: #nv,
                extensive: #extensive,
                flushed: #flushed,
                no_sessions: #no_sessions,
                handles: &[#(::sigillo_types::command::HandleSpec {
                    name: #handle_labels,
                    auth: #handle_roles,
                    check: |raw| <#handle_types as ::sigillo_types::Unmarshal>::from_bytes(&raw.to_be_bytes()).map(drop),
                }),*],
                parameters: &[#(#parameter_specs),*],
                response_handle: <#response as ::sigillo_types::command::Response>::HANDLE,
                response_parameters: <#response as ::sigillo_types::command::Response>::PARAMETERS,
            };

            fn from_parts(
                handles: &[u32],
                mut parameters: ::sigillo_types::Reader<'_>,
            ) -> ::core::result::Result<Self, ::sigillo_types::Rc> {
                #(let #handle_names = ::sigillo_types::command::handle_at(handles, #handle_indices)
                    .and_then(|raw| ::sigillo_types::Unmarshal::from_bytes(&raw.to_be_bytes()))
                    .map_err(|code| code.at(::sigillo_types::Position::Handle(#handle_numbers)))?;)*
                let r = &mut parameters;
                #(let #parameter_names = ::sigillo_types::Unmarshal::unmarshal(r)
                    .map_err(|code| code.at(::sigillo_types::Position::Parameter(#parameter_numbers)))?;)*
                r.finish()?;
                Ok(Self { #(#handle_names,)* #(#parameter_names,)* })
            }

            fn handles(&self) -> ::sigillo_types::command::Handles {
                let mut bytes = ::sigillo_types::marshal::Bytes::new();
                #(::sigillo_types::Marshal::marshal(&self.#handle_names, &mut bytes);)*
                ::sigillo_types::command::split_handles(&bytes)
            }

            fn marshal_parameters(&self, out: &mut ::sigillo_types::marshal::Bytes) {
                #(::sigillo_types::Marshal::marshal(&self.#parameter_names, out);)*
                let _ = out;
            }
        }
    })
}

pub(crate) fn response(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let (handles, parameters): (Vec<&Field>, Vec<&Field>) =
        fields(input)?.into_iter().partition(|field| is_handle(field));
    if handles.len() > 1 {
        return Err(Error::new_spanned(ident, "a response has at most one handle"));
    }
    let has_handle = !handles.is_empty();
    let handle_names = handles.iter().map(|field| name_of(field)).collect::<Result<Vec<_>>>()?;
    let parameter_names = parameters.iter().map(|field| name_of(field)).collect::<Result<Vec<_>>>()?;
    let parameter_specs = field_specs(&parameters)?;
    let handle = handle_names.first().map_or_else(
        || quote!(None),
        |name| quote!(::sigillo_types::command::first_handle(&::sigillo_types::Marshal::to_bytes(&self.#name))),
    );
    Ok(quote! {
        impl ::sigillo_types::command::Response for #ident {
            const HANDLE: bool = #has_handle;
            const PARAMETERS: &'static [::sigillo_types::command::FieldSpec] = &[#(#parameter_specs),*];

            fn handle(&self) -> Option<u32> { #handle }

            fn marshal_parameters(&self, out: &mut ::sigillo_types::marshal::Bytes) {
                #(::sigillo_types::Marshal::marshal(&self.#parameter_names, out);)*
                let _ = out;
            }

            fn from_parts(
                handle: Option<u32>,
                parameters: &[u8],
            ) -> ::core::result::Result<Self, ::sigillo_types::Fmt1> {
                let _ = handle;
                #(let #handle_names = ::sigillo_types::Unmarshal::from_bytes(
                    &handle.ok_or(::sigillo_types::rc::INSUFFICIENT)?.to_be_bytes(),
                )?;)*
                let mut reader = ::sigillo_types::Reader::new(parameters);
                let r = &mut reader;
                #(let #parameter_names = ::sigillo_types::Unmarshal::unmarshal(r)?;)*
                r.finish()?;
                Ok(Self { #(#handle_names,)* #(#parameter_names,)* })
            }
        }
    })
}
