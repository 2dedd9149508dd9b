"""Spans of the OpenTelemetry GenAI conventions, which are translated into OpenInference attributes."""

import json


def text(*parts: str) -> list[dict]:
    return [{"type": "text", "content": part} for part in parts]


def messages(*items: tuple[str, list[dict]]) -> str:
    return json.dumps([{"role": role, "parts": parts} for role, parts in items])


TOOL_CALL = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Bern"}}
TOOL_RESPONSE = {"type": "tool_call_response", "id": "call_1", "response": {"degrees": 21}}
REQUEST = {
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_p": 0.9,
    "gen_ai.request.top_k": 40.0,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.request.frequency_penalty": 0.1,
    "gen_ai.request.presence_penalty": 0.2,
    "gen_ai.request.seed": 7,
    "gen_ai.request.choice.count": 2,
    "gen_ai.request.stop_sequences": ["a", "b"],
}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}

SPANS: dict[str, dict] = {
    "chat": CHAT | REQUEST | {"gen_ai.provider.name": "openai"},
    **{
        f"operation {name}": {"gen_ai.operation.name": name, "gen_ai.request.model": "m"}
        for name in [
            *["text_completion", "generate_content", "embeddings", "execute_tool", "retrieval"],
            *["invoke_agent", "create_agent", "something_else", "CHAT", ""],
        ]
    },
    **{
        f"provider {name}": CHAT | {"gen_ai.provider.name": name}
        for name in [
            *["anthropic", "cohere", "mistral_ai", "deepseek", "groq", "perplexity", "x_ai", "azure.ai.openai"],
            *["azure.ai.inference", "aws.bedrock", "gcp.vertex_ai", "gcp.gemini", "gcp.gen_ai", "acme", "OpenAI"],
        ]
    },
    "system as fallback": CHAT | {"gen_ai.system": "OpenAI"},
    "system and provider": CHAT | {"gen_ai.system": "cohere", "gen_ai.provider.name": "openai"},
    "kind from the model": {"gen_ai.request.model": "gpt-4o"},
    "kind from the tool": {"gen_ai.tool.name": "weather"},
    "kind from the query": {"gen_ai.retrieval.query.text": "q"},
    "kind from the dimension": {"gen_ai.embeddings.dimension.count": 3},
    "kind from messages": {"gen_ai.input.messages": messages(("user", text("hi")))},
    "explicit keys win": CHAT
    | {
        "openinference.span.kind": "CHAIN",
        "llm.model_name": "mine",
        "llm.token_count.prompt": 1,
        "gen_ai.usage.input_tokens": 99,
        "gen_ai.usage.output_tokens": 2,
        "session.id": "explicit",
        "gen_ai.conversation.id": "ignored",
    },
    "usage": CHAT
    | {
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_creation.input_tokens": 2,
    },
    "usage of input only": CHAT | {"gen_ai.usage.input_tokens": "10"},
    "output json": CHAT | {"gen_ai.output.type": "json", "gen_ai.request.stream": True},
    "output text": CHAT | {"gen_ai.output.type": "text", "gen_ai.request.stop_sequences": ["only"]},
    "embedding request": {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "e-3",
        "gen_ai.request.encoding_formats": ["base64"],
        "gen_ai.embeddings.dimension.count": 256,
    },
    "embedding formats": {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.encoding_formats": ["base64", "float"],
    },
    "messages": CHAT
    | {
        "gen_ai.system_instructions": json.dumps(text("be brief")),
        "gen_ai.input.messages": messages(
            ("user", text("weather?")), ("assistant", [TOOL_CALL]), ("tool", [TOOL_RESPONSE])
        ),
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": text("21 degrees"), "finish_reason": "stop"}]
        ),
    },
    "message with several parts": CHAT
    | {
        "gen_ai.input.messages": messages(
            (
                "user",
                [
                    *text("look", "here"),
                    {"type": "reasoning", "content": "hm"},
                    {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"},
                    {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "iVBORw0="},
                ],
            )
        )
    },
    "named message": CHAT
    | {"gen_ai.input.messages": json.dumps([{"role": "user", "name": "Ada", "parts": text("hi")}])},
    "messages as values": CHAT | {"gen_ai.input.messages": [{"role": "user", "parts": text("hi")}]},
    "broken messages": CHAT | {"gen_ai.input.messages": "[broken", "gen_ai.output.messages": '{"role": "user"}'},
    "one invalid message": CHAT
    | {"gen_ai.input.messages": json.dumps([{"role": "user", "parts": text("hi")}, {"parts": []}])},
    "explicit messages win": CHAT
    | {"llm.input_messages.0.message.role": "user", "gen_ai.input.messages": messages(("user", text("hi")))},
    "finish reason": CHAT | {"gen_ai.response.finish_reasons": ["stop"]},
    "finish reasons": CHAT | {"gen_ai.response.finish_reasons": ["stop", "length"]},
    "response id and model": CHAT | {"gen_ai.response.id": "r-1", "gen_ai.response.model": "gpt-4o-2024"},
    "response model alone": {"gen_ai.response.model": "gpt-4o-2024"},
    "tool definitions": CHAT
    | {
        "gen_ai.tool.definitions": json.dumps(
            [
                {"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}},
                {"name": "no type"},
            ]
        )
    },
    "tool call": {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.description": "tells",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"city": "Bern"}',
        "gen_ai.tool.call.result": '{"degrees": 21}',
    },
    "tool call with values": {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.call.arguments": {"city": "Bern"},
        "gen_ai.tool.call.result": "plain",
    },
    "retrieval": {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.query.text": "where?",
        "gen_ai.retrieval.documents": json.dumps(
            [{"id": "d1", "score": 0.5, "content": "here", "metadata": {"a": 1}}, {"id": "d2", "score": 0.4}]
        ),
    },
    "conversation": CHAT | {"gen_ai.conversation.id": " spoken "},
    "a key that only starts alike": {"gen_ais.x": 1, "gen_ai": 2},
}
