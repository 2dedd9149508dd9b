//! Who serves the model.

use super::synthesis::Synthesis;
use crate::attributes::plain_text;

/// Adds `llm.provider` (who serves) and `llm.system` (whose model family) for `gen_ai.provider.name`, or for
/// the older `gen_ai.system`, whose letter case varied. A name that is not known becomes the system.
pub(super) fn add(synthesis: &mut Synthesis) {
    let current = synthesis.value("gen_ai.provider.name").map(plain_text);
    let older = || synthesis.value("gen_ai.system").map(|name| plain_text(name).to_lowercase());
    let Some(name) = current.or_else(older) else { return };
    let (provider, system) = match name.as_str() {
        "openai" | "anthropic" | "cohere" => (Some(name.as_str()), Some(name.as_str())),
        "mistral_ai" => (Some("mistralai"), Some("mistralai")),
        "deepseek" | "groq" | "perplexity" => (Some(name.as_str()), None),
        "x_ai" => (Some("xai"), None),
        "azure.ai.openai" => (Some("azure"), Some("openai")),
        "azure.ai.inference" => (Some("azure"), None),
        "aws.bedrock" => (Some("aws"), None),
        "gcp.vertex_ai" => (Some("google"), Some("vertexai")),
        "gcp.gemini" | "gcp.gen_ai" => (Some("google"), None),
        unknown => (None, Some(unknown)),
    };
    if let Some(provider) = provider {
        synthesis.add("llm.provider", provider);
    }
    if let Some(system) = system {
        synthesis.add("llm.system", system);
    }
}
