//! Owns `#[event(..)]`: checks a handler and wraps it. What it wraps it into is `pairway::__private`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemFn, Result, Signature};

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let kind: Ident = syn::parse2(attribute).map_err(|error| {
        Error::new(
            error.span(),
            "expected `#[event(fetch)]` or `#[event(start)]`",
        )
    })?;
    let mut function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(
            error.span(),
            format!("`#[event({kind})]` belongs on a function: {error}"),
        )
    })?;
    refuse_generics(&function.sig)?;
    let handler = if kind == "fetch" {
        fetch(&function.sig)?
    } else if kind == "start" {
        start(&function.sig)?
    } else {
        return Err(Error::new(
            kind.span(),
            format!("no event is called `{kind}`; there are `fetch` and `start`"),
        ));
    };
    if function.sig.ident == "fetch" {
        let_fetch_be_the_sdks(&mut function);
    }
    Ok(quote! {
        #[allow(clippy::unused_async, reason = "a fetch handler is async, whether it awaits or not")]
        #function
        const _: () = { #handler };
    })
}

/// A handler of this name hides the function that `use pairway::*` brings. Inside of it nobody can mean the handler: an
/// `async fn` cannot call itself.
fn let_fetch_be_the_sdks(function: &mut ItemFn) {
    let hidden = syn::parse_quote! {
        #[allow(unused_imports, reason = "most handlers call no other server")]
        use ::pairway::fetch;
    };
    function.block.stmts.insert(0, hidden);
}

/// The export of the world. It stands in the worker's crate, and only on wasm: a native linker refuses its names.
fn fetch(signature: &Signature) -> Result<TokenStream> {
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span(),
            "a fetch handler is an `async fn`",
        ));
    }
    let name = &signature.ident;
    let known = [quote!(request), quote!(env), quote!(context)];
    if let Some(extra) = signature.inputs.iter().nth(known.len()) {
        return Err(Error::new(
            extra.span(),
            "a fetch handler takes a `Request`, an `Env` and a `Context`, no more",
        ));
    }
    let arguments = &known[..signature.inputs.len()];
    Ok(quote! {
        fn __pairway_fetch(
            request: ::pairway::Request,
            env: ::pairway::Env,
            context: ::pairway::Context,
        ) -> ::core::pin::Pin<
            ::std::boxed::Box<dyn ::core::future::Future<Output = ::pairway::Result<::pairway::Response>>>,
        > {
            let _ = (&request, &env, &context);
            ::std::boxed::Box::pin(async move {
                ::pairway::__private::IntoResponse::into_response(#name(#(#arguments),*).await)
            })
        }
        // Natively, where nothing is exported, the handler is at least what could be.
        const _: ::pairway::__private::FetchFn = __pairway_fetch;
        #[cfg(target_family = "wasm")]
        struct __PairwayWorker;
        #[cfg(target_family = "wasm")]
        impl ::pairway::__private::Guest for __PairwayWorker {
            fn handle(events: ::std::vec::Vec<::pairway::__private::Event>) {
                ::pairway::__private::handle(events, __pairway_fetch);
            }
        }
        #[cfg(target_family = "wasm")]
        impl ::pairway::__private::MessagesGuest for __PairwayWorker {
            fn take_text(socket: u64, text: ::std::string::String) {
                ::pairway::__private::take(socket, text.into(), __pairway_fetch);
            }

            fn take_binary(socket: u64, bytes: ::std::vec::Vec<u8>) {
                ::pairway::__private::take(socket, bytes.into(), __pairway_fetch);
            }

            fn take_several(
                runs: ::std::vec::Vec<::pairway::__private::Run>,
                lengths: ::std::vec::Vec<u32>,
                text: ::std::string::String,
                bytes: ::std::vec::Vec<u8>,
                room: u32,
            ) {
                ::pairway::__private::take_several(&runs, &lengths, (&text, &bytes), room, __pairway_fetch);
            }
        }
        #[cfg(target_family = "wasm")]
        ::pairway::__private::export_worker!(__PairwayWorker with_types_in ::pairway::__private::bindings);
    })
}

fn start(signature: &Signature) -> Result<TokenStream> {
    if let Some(asyncness) = &signature.asyncness {
        return Err(Error::new(
            asyncness.span(),
            "a start handler is not `async`; it may `spawn` what takes time",
        ));
    }
    if !signature.inputs.is_empty() {
        return Err(Error::new(
            signature.inputs.span(),
            "a start handler takes nothing",
        ));
    }
    let name = &signature.ident;
    Ok(quote! {
        fn __pairway_start() -> ::pairway::Result<()> {
            ::pairway::__private::StartOutput::into_result(#name())
        }
        const _: ::pairway::__private::StartFn = __pairway_start;
        #[cfg(target_family = "wasm")]
        ::pairway::__private::on_load!(::pairway::__private::on_start(__pairway_start));
    })
}

fn refuse_generics(signature: &Signature) -> Result<()> {
    let span: Option<Span> = signature.generics.params.first().map(Spanned::span);
    span.map_or(Ok(()), |span| {
        Err(Error::new(span, "a handler cannot be generic"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(attribute: TokenStream, item: TokenStream) -> String {
        expand(attribute, item).unwrap_err().to_string()
    }

    #[test]
    fn a_handler_stays_as_it_was_written() {
        let item = quote! { async fn main(req: Request) -> Response { answer(req).await } };
        let expanded = expand(quote!(fetch), item.clone()).unwrap().to_string();
        assert!(expanded.contains(&item.to_string()), "{expanded}");
        assert!(expanded.contains("main (request) . await"), "{expanded}");
    }

    #[test]
    fn in_a_handler_called_fetch_that_is_the_sdks_function() {
        let item = quote! { async fn fetch(req: Request) -> Result<Response> { fetch(req).await } };
        let expanded = expand(quote!(fetch), item).unwrap().to_string();
        let inside = "use :: pairway :: fetch ; fetch (req) . await }";
        assert!(expanded.contains(inside), "{expanded}");
    }

    #[test]
    fn what_cannot_be_a_handler_is_told_why() {
        let handler = quote!(
            async fn f() {}
        );
        assert!(refusal(quote!(), handler.clone()).contains("expected `#[event(fetch)]`"));
        assert!(
            refusal(quote!(scheduled), handler.clone()).contains("no event is called `scheduled`")
        );
        assert!(refusal(quote!(start), handler).contains("not `async`"));
        assert!(
            refusal(
                quote!(fetch),
                quote!(
                    struct S;
                )
            )
            .contains("belongs on a function")
        );
        assert!(
            refusal(
                quote!(fetch),
                quote!(
                    fn f() {}
                )
            )
            .contains("`async fn`")
        );
        assert!(
            refusal(
                quote!(fetch),
                quote!(
                    async fn f(a: A, b: B, c: C, d: D) {}
                )
            )
            .contains("no more")
        );
        assert!(
            refusal(
                quote!(fetch),
                quote!(
                    async fn f<T>() {}
                )
            )
            .contains("generic")
        );
        assert!(
            refusal(
                quote!(start),
                quote!(
                    fn f(a: A) {}
                )
            )
            .contains("takes nothing")
        );
    }
}
