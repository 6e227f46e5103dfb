//! `Marshal` and `Unmarshal`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Attribute, Data, DataEnum, DeriveInput, Error, Expr, Field, Fields, Ident, Result, Type};

/// What `#[tpm(...)]` says.
#[derive(Default)]
struct Options {
    sized: bool,
    repr: Option<Type>,
    tag: Option<Expr>,
    error: Option<Ident>,
    null: Option<Expr>,
    gate: Option<Ident>,
    max: Option<Expr>,
}

impl Options {
    fn read(attrs: &[Attribute]) -> Result<Self> {
        let mut options = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("tpm")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("sized") {
                    options.sized = true;
                } else if meta.path.is_ident("repr") {
                    options.repr = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("tag") {
                    options.tag = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("error") {
                    options.error = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("null") {
                    options.null = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("gate") {
                    options.gate = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("max") {
                    options.max = Some(meta.value()?.parse()?);
                } else {
                    return Err(meta.error("unknown option"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }

    fn error(&self, input: &DeriveInput) -> Result<TokenStream> {
        let code =
            self.error.as_ref().ok_or_else(|| Error::new_spanned(&input.ident, "needs `error = CODE`"))?;
        Ok(quote!(::sigillo_types::rc::#code))
    }

    /// Refuses `value` unless the reader's set has it: the gate is the set's method to ask.
    fn gated(&self, value: &TokenStream, error: &TokenStream) -> Option<TokenStream> {
        let gate = self.gate.as_ref()?;
        Some(quote! {
            if !r.implemented().#gate(#value) {
                return Err(#error);
            }
        })
    }
}

pub(crate) fn marshal(input: &DeriveInput) -> Result<TokenStream> {
    let options = Options::read(&input.attrs)?;
    let name = &input.ident;
    let mut union = None;
    let (body, sized) = match &input.data {
        Data::Struct(data) => {
            let fields = members(&data.fields);
            let fields = quote!(#(::sigillo_types::Marshal::marshal(&self.#fields, out);)*);
            if options.sized {
                (quote!(::sigillo_types::marshal::marshal_sized(out, |out| { #fields })), true)
            } else {
                (fields, false)
            }
        }
        Data::Enum(data) => match (&options.repr, &options.tag) {
            (Some(repr), _) => (quote!(::sigillo_types::Marshal::marshal(&(*self as #repr), out);), false),
            (None, Some(tag)) => {
                union = Some(marshal_union(name, data, tag)?);
                let body = quote! {
                    ::sigillo_types::Marshal::marshal(&::sigillo_types::MarshalUnion::selector(self), out);
                    ::sigillo_types::MarshalUnion::marshal_body(self, out);
                };
                (body, false)
            }
            (None, None) => return Err(Error::new_spanned(name, "an enum needs `repr` or `tag`")),
        },
        Data::Union(_) => return Err(Error::new_spanned(name, "unions have no canonical form")),
    };
    let sized = sized.then(|| {
        quote!(
            const SIZED: bool = true;
        )
    });
    Ok(quote! {
        impl ::sigillo_types::Marshal for #name {
            #sized
            fn marshal(&self, out: &mut ::sigillo_types::marshal::Bytes) { #body }
        }
        #union
    })
}

fn marshal_union(name: &Ident, data: &DataEnum, tag_type: &Expr) -> Result<TokenStream> {
    let mut selectors = Vec::new();
    let mut bodies = Vec::new();
    for variant in &data.variants {
        let tag = variant_tag(variant)?;
        let ident = &variant.ident;
        let (pattern, bound) = pattern(&variant.fields);
        selectors.push(quote!(Self::#ident { .. } => #tag,));
        bodies.push(quote! {
            Self::#ident #pattern => { #(::sigillo_types::Marshal::marshal(#bound, out);)* }
        });
    }
    Ok(quote! {
        impl ::sigillo_types::MarshalUnion for #name {
            type Selector = #tag_type;

            fn selector(&self) -> #tag_type {
                match self { #(#selectors)* }
            }

            fn marshal_body(&self, out: &mut ::sigillo_types::marshal::Bytes) {
                let _ = &out;
                match self { #(#bodies)* }
            }
        }
    })
}

pub(crate) fn unmarshal(input: &DeriveInput) -> Result<TokenStream> {
    let options = Options::read(&input.attrs)?;
    let name = &input.ident;
    match &input.data {
        Data::Struct(data) => {
            let value = construct(&quote!(Self), &data.fields)?;
            let body =
                if options.sized { quote!(r.sized_structure(|r| Ok(#value))) } else { quote!(Ok(#value)) };
            Ok(quote! {
                impl ::sigillo_types::Unmarshal for #name {
                    fn unmarshal(
                        r: &mut ::sigillo_types::Reader<'_>,
                    ) -> ::core::result::Result<Self, ::sigillo_types::Fmt1> { #body }
                }
            })
        }
        Data::Enum(data) => unmarshal_enum(input, data, &options),
        Data::Union(_) => Err(Error::new_spanned(name, "unions have no canonical form")),
    }
}

fn unmarshal_enum(input: &DeriveInput, data: &DataEnum, options: &Options) -> Result<TokenStream> {
    let name = &input.ident;
    let error = options.error(input)?;
    match (&options.repr, &options.tag) {
        (Some(repr), _) => {
            let idents = data.variants.iter().map(|variant| &variant.ident);
            let gated = options.gated(&quote!(raw), &error);
            let nullable =
                options.null.as_ref().map(|null| nullable(name, &quote!(#repr), &quote!((#null as #repr))));
            Ok(quote! {
                impl ::sigillo_types::Unmarshal for #name {
                    fn unmarshal(
                        r: &mut ::sigillo_types::Reader<'_>,
                    ) -> ::core::result::Result<Self, ::sigillo_types::Fmt1> {
                        let raw = <#repr as ::sigillo_types::Unmarshal>::unmarshal(r)?;
                        #gated
                        Ok(match raw {
                            #(raw if raw == Self::#idents as #repr => Self::#idents,)*
                            _ => return Err(#error),
                        })
                    }
                }
                #nullable
            })
        }
        (None, Some(tag_type)) => {
            let gated = options.gated(&quote!(selector), &error);
            let mut arms = Vec::new();
            for variant in &data.variants {
                let tag = variant_tag(variant)?;
                let ident = &variant.ident;
                let value = construct(&quote!(Self::#ident), &variant.fields)?;
                arms.push(quote!(raw if raw == #tag => #value,));
            }
            let nullable =
                options.null.as_ref().map(|null| nullable(name, &quote!(#tag_type), &quote!(#null)));
            Ok(quote! {
                impl ::sigillo_types::UnmarshalUnion for #name {
                    fn unmarshal_body(
                        selector: #tag_type,
                        r: &mut ::sigillo_types::Reader<'_>,
                    ) -> ::core::result::Result<Self, ::sigillo_types::Fmt1> {
                        let _ = &r;
                        #gated
                        Ok(match selector {
                            #(#arms)*
                            _ => return Err(#error),
                        })
                    }
                }
                impl ::sigillo_types::Unmarshal for #name {
                    fn unmarshal(
                        r: &mut ::sigillo_types::Reader<'_>,
                    ) -> ::core::result::Result<Self, ::sigillo_types::Fmt1> {
                        let selector = <#tag_type as ::sigillo_types::Unmarshal>::unmarshal(r)?;
                        ::sigillo_types::UnmarshalUnion::unmarshal_body(selector, r)
                    }
                }
                #nullable
            })
        }
        (None, None) => Err(Error::new_spanned(name, "an enum needs `repr` or `tag`")),
    }
}

/// `Nullable` for an enum whose selector has a NULL value.
fn nullable(name: &Ident, tag_type: &TokenStream, null: &TokenStream) -> TokenStream {
    quote! {
        impl ::sigillo_types::Nullable for #name {
            fn unmarshal_nullable(
                r: &mut ::sigillo_types::Reader<'_>,
            ) -> ::core::result::Result<Option<Self>, ::sigillo_types::Fmt1> {
                let mut ahead = r.clone();
                if <#tag_type as ::sigillo_types::Unmarshal>::unmarshal(&mut ahead)? == #null {
                    *r = ahead;
                    return Ok(None);
                }
                <Self as ::sigillo_types::Unmarshal>::unmarshal(r).map(Some)
            }

            fn marshal_null(out: &mut ::sigillo_types::marshal::Bytes) {
                ::sigillo_types::Marshal::marshal(&(#null as #tag_type), out);
            }
        }
    }
}

fn variant_tag(variant: &syn::Variant) -> Result<Expr> {
    Options::read(&variant.attrs)?
        .tag
        .ok_or_else(|| Error::new_spanned(&variant.ident, "needs `#[tpm(tag = ..)]`"))
}

fn members(fields: &Fields) -> Vec<TokenStream> {
    fields.members().map(|member| quote!(#member)).collect()
}

/// `{ a, b }` or `(f0, f1)` and the names bound by it.
fn pattern(fields: &Fields) -> (TokenStream, Vec<Ident>) {
    match fields {
        Fields::Named(named) => {
            let names: Vec<Ident> = named.named.iter().filter_map(|field| field.ident.clone()).collect();
            (quote!({ #(#names),* }), names)
        }
        Fields::Unnamed(unnamed) => {
            let names: Vec<Ident> = (0..unnamed.unnamed.len()).map(|i| format_ident!("f{i}")).collect();
            (quote!((#(#names),*)), names)
        }
        Fields::Unit => (quote!(), Vec::new()),
    }
}

/// Reads every field in order and builds the value.
fn construct(path: &TokenStream, fields: &Fields) -> Result<TokenStream> {
    let reads = fields.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(match fields {
        Fields::Named(named) => {
            let names = named.named.iter().map(|field| &field.ident);
            quote!(#path { #(#names: #reads),* })
        }
        Fields::Unnamed(_) => quote!(#path(#(#reads),*)),
        Fields::Unit => quote!(#path),
    })
}

/// Reads a field; one above its `max` answers `SIZE`.
fn read(field: &Field) -> Result<TokenStream> {
    let read = quote!(::sigillo_types::Unmarshal::unmarshal(r)?);
    Ok(match Options::read(&field.attrs)?.max {
        None => read,
        Some(max) => {
            let kind = &field.ty;
            quote!({
                let value: #kind = #read;
                if value > #max {
                    return Err(::sigillo_types::rc::SIZE);
                }
                value
            })
        }
    })
}
