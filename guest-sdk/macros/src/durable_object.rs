//! Owns `#[durable_object]`: makes a struct known as a class. What it is known to is `pairway::__private`.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Ident, Item, ItemStruct, Result, Token};

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    check_arguments(attribute)?;
    let item: Item = syn::parse2(item)?;
    if let Item::Struct(class) = &item {
        register(class)
    } else if let Item::Impl(handlers) = &item {
        // Code for older versions of workers-rs has the attribute there as well.
        Ok(quote!(#handlers))
    } else {
        let why = "`#[durable_object]` belongs on a struct";
        Err(Error::new(item.span(), why))
    }
}

/// Those of workers-rs. They say which handlers there are, which the trait says itself.
fn check_arguments(attribute: TokenStream) -> Result<()> {
    let arguments = Punctuated::<Ident, Token![,]>::parse_terminated.parse2(attribute)?;
    for argument in arguments {
        if !["fetch", "alarm", "websocket"]
            .iter()
            .any(|known| argument == known)
        {
            return Err(Error::new(
                argument.span(),
                "there are `fetch`, `alarm` and `websocket`, and none is needed",
            ));
        }
    }
    Ok(())
}

fn register(class: &ItemStruct) -> Result<TokenStream> {
    if !class.generics.params.is_empty() {
        return Err(Error::new(
            class.generics.span(),
            "a class of durable objects cannot be generic",
        ));
    }
    let name = &class.ident;
    let text = name.to_string();
    let line = Literal::byte_string(format!("{text}\n").as_bytes());
    Ok(quote! {
        #class
        impl ::pairway::__private::DurableObjectClass for #name {
            const NAME: &'static str = #text;
        }
        const _: () = {
            // Natively, where nothing is registered, the struct is at least what could be.
            const _: fn() = ::pairway::__private::on_class::<#name>;
            #[cfg(target_family = "wasm")]
            ::pairway::__private::on_load!(::pairway::__private::on_class::<#name>());
            #[cfg(target_family = "wasm")]
            ::pairway::__private::class_name!(#line);
        };
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(attribute: TokenStream, item: TokenStream) -> String {
        expand(attribute, item).unwrap_err().to_string()
    }

    #[test]
    fn a_class_stays_as_it_was_written_and_is_named_as_it_is() {
        let item = quote! { pub struct Room { state: State } };
        for attribute in [quote!(), quote!(fetch), quote!(websocket, alarm)] {
            let expanded = expand(attribute, item.clone()).unwrap().to_string();
            assert!(expanded.starts_with(&item.to_string()), "{expanded}");
            assert!(
                expanded.contains(r#"NAME : & 'static str = "Room""#),
                "{expanded}"
            );
            assert!(
                expanded.contains(r#"class_name ! (b"Room\n")"#),
                "{expanded}"
            );
        }
    }

    #[test]
    fn the_handlers_may_have_the_attribute_too() {
        let item = quote! { impl DurableObject for Room {} };
        assert_eq!(
            expand(quote!(), item.clone()).unwrap().to_string(),
            item.to_string()
        );
    }

    #[test]
    fn what_cannot_be_a_class_is_told_why() {
        let class = quote! { struct Room; };
        assert!(refusal(quote!(hibernate), class).contains("none is needed"));
        assert!(refusal(quote!(), quote! { enum Room {} }).contains("belongs on a struct"));
        assert!(refusal(quote!(), quote! { struct Room<T>(T); }).contains("generic"));
    }
}
