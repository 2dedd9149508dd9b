//! List prices: what the providers publish, from the file `model_prices/prices.tsv`, which names its source.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{ModelPrices, Price, TokenPrices};

const FILE: &str = include_str!("../../model_prices/prices.tsv");

/// Read on first use: processes that price no spans do not pay for it.
static BUILT_IN: LazyLock<ListPrices> = LazyLock::new(|| ListPrices::read(FILE));

/// The price of one model with one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPrice {
    /// In lower case, as the source has it; often with a path in front (`azure/gpt-4o`).
    pub model: String,
    /// As the OpenInference attribute `llm.provider` names it.
    pub provider: String,
    pub prices: ModelPrices,
}

/// All list prices, by model name.
#[derive(Debug)]
pub struct ListPrices {
    entries: Vec<ListPrice>,
    /// Places of the entries that have a name: their own, and what follows each slash of it.
    by_name: HashMap<String, Vec<usize>>,
}

impl ListPrices {
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// In the order of their names.
    pub fn entries(&self) -> &[ListPrice] {
        &self.entries
    }

    /// Reads lines of tab-separated fields; `#` begins a comment. Lines of one model follow each other.
    fn read(file: &str) -> Self {
        let mut entries: Vec<ListPrice> = Vec::new();
        let lines = file.lines().filter(|line| !line.starts_with('#')).skip(1);
        for (model, provider, above, prices) in lines.filter_map(read_line) {
            let model = model.to_lowercase();
            match entries.last_mut().filter(|last| above > 0 && last.model == model) {
                Some(last) => last.prices.above.push((above, prices)),
                None => entries.push(ListPrice {
                    model,
                    provider: provider.to_owned(),
                    prices: ModelPrices { base: prices, above: Vec::new() },
                }),
            }
        }
        entries.iter_mut().for_each(|entry| entry.prices.above.sort_unstable_by_key(|(tokens, _)| *tokens));
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, entry) in entries.iter().enumerate() {
            for name in names_within(&entry.model) {
                by_name.entry(name.to_owned()).or_default().push(place);
            }
        }
        Self { entries, by_name }
    }

    /// The price of a model, by the first of its names that has one: as given; without the path in front of it
    /// (`models/…`, `openai/…`); each of these without the date or `latest` behind it.
    ///
    /// Where a name has several prices, that of the span's provider counts (of several, the one with the shortest path:
    /// `azure/gpt-4o` before `azure/eu/gpt-4o`), else that of the entry with just this name, else the price that all of
    /// them agree on; otherwise there is none, which is better than a wrong one.
    pub fn find(&self, model: &str, provider: Option<&str>) -> Option<&ListPrice> {
        let model = model.to_lowercase();
        let provider = provider.map(str::to_lowercase);
        let dated = names_within(&model);
        let undated = names_within(&model).filter_map(without_version);
        dated.chain(undated).find_map(|name| self.with_name(name, provider.as_deref()))
    }

    fn with_name(&self, name: &str, provider: Option<&str>) -> Option<&ListPrice> {
        let found: Vec<&ListPrice> =
            self.by_name.get(name)?.iter().map(|place| &self.entries[*place]).collect();
        let general = |entry: &&&ListPrice| entry.model.matches('/').count();
        let of_provider = found.iter().filter(|entry| Some(entry.provider.as_str()) == provider);
        of_provider
            .min_by_key(general)
            .or_else(|| found.iter().find(|entry| entry.model == name))
            .or_else(|| found.first().filter(|first| found.iter().all(|entry| entry.prices == first.prices)))
            .copied()
    }
}

/// The name, and what follows each of its slashes.
fn names_within(model: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(model), |name| name.split_once('/').map(|(_, rest)| rest))
}

/// The name without `-2024-08-06`, `-20240806`, `@20240806` or `-latest` at its end.
fn without_version(name: &str) -> Option<&str> {
    let is_digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = name.strip_suffix("-latest").or_else(|| name.strip_suffix("@latest")) {
        return Some(rest);
    }
    let (rest, last) = name.rsplit_once(['-', '@'])?;
    if is_digits(last, 8) {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-').filter(|_| is_digits(last, 2))?;
    let (rest, year) = rest.rsplit_once(['-', '@']).filter(|_| is_digits(month, 2))?;
    is_digits(year, 4).then_some(rest)
}

fn read_line(line: &str) -> Option<(&str, &str, i64, TokenPrices)> {
    let mut fields = line.split('\t');
    let (model, provider, above) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
    let prices =
        TokenPrices::from_named(|_| fields.next().and_then(|text| Price::per_million(text.parse().ok()?)));
    Some((model, provider, above, prices))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
# a comment
model\tprovider\tabove_prompt_tokens\tprompt\tcompletion\tcache_read\tcache_write\tprompt_audio\tcompletion_audio\treasoning
azure/eu/gpt-4o\tazure\t0\t4\t12\t\t\t\t\t
azure/gpt-4o\tazure\t0\t3\t12\t\t\t\t\t
gpt-4o\topenai\t0\t2.5\t10\t1.25\t\t\t\t
claude-3-5-sonnet\tanthropic\t0\t3\t15\t\t\t\t\t
long\tgoogle\t0\t1\t2\t\t\t\t\t
long\tgoogle\t200000\t2\t\t\t\t\t\t
one/llama\tone\t0\t1\t1\t\t\t\t\t
two/llama\ttwo\t0\t2\t2\t\t\t\t\t
one/same\tone\t0\t1\t1\t\t\t\t\t
two/same\ttwo\t0\t1\t1\t\t\t\t\t
";

    fn found(model: &str, provider: Option<&str>) -> Option<String> {
        ListPrices::read(LIST).find(model, provider).map(|entry| entry.model.clone())
    }

    #[test]
    fn a_model_is_found_by_its_name_with_or_without_path_and_date() {
        let names = [
            "gpt-4o",
            " GPT-4o".trim(),
            "openai/gpt-4o",
            "models/openai/gpt-4o",
            "gpt-4o-2024-08-06",
            "gpt-4o-20240806",
            "gpt-4o@20240806",
            "gpt-4o-latest",
        ];
        for name in names {
            assert_eq!(found(name, None).as_deref(), Some("gpt-4o"), "{name}");
        }
        for name in ["gpt-4o-mini", "gpt-4", "gpt-4o-08-06", "", "/"] {
            assert_eq!(found(name, None), None, "{name}");
        }
    }

    #[test]
    fn of_several_prices_that_of_the_provider_counts() {
        assert_eq!(found("gpt-4o", Some("Azure")).as_deref(), Some("azure/gpt-4o"));
        assert_eq!(found("gpt-4o", Some("a gateway")).as_deref(), Some("gpt-4o"));
        assert_eq!(found("llama", Some("two")).as_deref(), Some("two/llama"));
        assert_eq!(found("llama", None), None, "they differ");
        assert_eq!(found("same", None).as_deref(), Some("one/same"));
    }

    #[test]
    fn higher_prices_of_long_prompts_join_their_model() {
        let list = ListPrices::read(LIST);
        let prices = &list.find("long", None).unwrap().prices;
        assert_eq!(prices.above.len(), 1);
        assert_eq!((prices.above[0].0, prices.above[0].1.prompt), (200_000, Price::per_million(2.0)));
    }

    #[test]
    fn the_list_that_is_shipped_knows_todays_models() {
        let list = ListPrices::built_in();
        assert!(list.entries().len() > 3_000);
        let prompt = |model: &str, provider: Option<&str>| {
            list.find(model, provider).and_then(|entry| entry.prices.base.prompt)
        };
        assert_eq!(prompt("gpt-4o-mini", Some("openai")), Price::per_million(0.15));
        assert_eq!(prompt("claude-sonnet-4-5", Some("anthropic")), Price::per_million(3.0));
        assert_eq!(prompt("models/gemini-2.5-pro", Some("google")), Price::per_million(1.25));
        assert_eq!(prompt("anthropic.claude-3-5-sonnet-20240620-v1:0", Some("aws")), Price::per_million(3.0));
        assert_eq!(prompt("a model of our own", None), None);
    }
}
