"""What providers send, written down as they document it or as issues record it: the chunks of one message that calls tools.

Every provider calls `refund` with amount 9 (or says why not) and is asked under the rule that no more than 50 goes back. `{AMOUNT}`
stands for the amount, so that the same shape can also break the rule.
"""

OPENAI = [  # platform.openai.com/docs/api-reference/chat-streaming
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"refund","arguments":""}}],"refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x1"}',
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"amount\\": "}}]},"logprobs":null,"finish_reason":null}],"usage":null}',
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{AMOUNT}}"}}]},"logprobs":null,"finish_reason":null}],"usage":null}',
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}],"usage":null}',
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}',
]
AZURE = [  # learn.microsoft.com: content filtering in streams; the first chunk has no choice
    '{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}',
    '{"choices":[{"content_filter_results":{},"delta":{"content":null,"role":"assistant","tool_calls":[{"function":{"arguments":"","name":"refund"},"id":"call_a","index":0,"type":"function"}]},"finish_reason":null,"index":0,"logprobs":null}],"created":1,"id":"chatcmpl-2","model":"gpt-4o","object":"chat.completion.chunk","system_fingerprint":"fp_1"}',
    '{"choices":[{"content_filter_results":{},"delta":{"tool_calls":[{"function":{"arguments":"{\\"amount\\": {AMOUNT}}"},"index":0}]},"finish_reason":null,"index":0,"logprobs":null}],"created":1,"id":"chatcmpl-2","model":"gpt-4o","object":"chat.completion.chunk","system_fingerprint":"fp_1"}',
    '{"choices":[{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}},"delta":{},"finish_reason":"tool_calls","index":0,"logprobs":null}],"created":1,"id":"chatcmpl-2","model":"gpt-4o","object":"chat.completion.chunk","system_fingerprint":"fp_1"}',
]
GEMINI = [  # ai.google.dev/gemini-api/docs/openai and /thought-signatures: one chunk a call, the signature beside it
    '{"choices":[{"delta":{"content":"Let me see.","role":"assistant","extra_content":{"google":{"thought":true}}},"index":0}],"created":1,"id":"g1","model":"gemini-3-pro-preview","object":"chat.completion.chunk"}',
    '{"choices":[{"delta":{"role":"assistant","tool_calls":[{"extra_content":{"google":{"thought_signature":"SIG"}},"function":{"arguments":"{\\"amount\\":{AMOUNT}}","name":"refund"},"id":"function-call-1","index":0,"type":"function"}]},"finish_reason":"tool_calls","index":0}],"created":1,"id":"g1","model":"gemini-3-pro-preview","object":"chat.completion.chunk","usage":{"completion_tokens":12,"prompt_tokens":40,"total_tokens":152}}',
]
DEEPSEEK = [  # api-docs.deepseek.com/guides/thinking_mode and platform.moonshot.ai: reasoning_content before the call, usage with the end
    '{"id":"d1","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp_x","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":""},"logprobs":null,"finish_reason":null}]}',
    '{"id":"d1","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp_x","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"I will"},"logprobs":null,"finish_reason":null}]}',
    '{"id":"d1","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp_x","choices":[{"index":0,"delta":{"content":null,"reasoning_content":" refund"},"logprobs":null,"finish_reason":null}]}',
    '{"id":"d1","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp_x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_00","type":"function","function":{"name":"refund","arguments":""}}]},"logprobs":null,"finish_reason":null}]}',
    '{"id":"d1","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp_x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"amount\\":{AMOUNT}}"}}]},"logprobs":null,"finish_reason":null}]}',
    '{"id":"d1","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","system_fingerprint":"fp_x","choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":5}}',
]
KIMI = [  # platform.moonshot.ai/docs: what it took is told in the choice; ids are the name and a number
    '{"id":"k1","object":"chat.completion.chunk","created":1,"model":"kimi-k2-thinking","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"system_fingerprint":"fpv0_x"}',
    '{"id":"k1","object":"chat.completion.chunk","created":1,"model":"kimi-k2-thinking","choices":[{"index":0,"delta":{"reasoning_content":"Hm"},"finish_reason":null}],"system_fingerprint":"fpv0_x"}',
    '{"id":"k1","object":"chat.completion.chunk","created":1,"model":"kimi-k2-thinking","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"refund:0","type":"function","function":{"name":"refund","arguments":""}}]},"finish_reason":null}],"system_fingerprint":"fpv0_x"}',
    '{"id":"k1","object":"chat.completion.chunk","created":1,"model":"kimi-k2-thinking","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"amount\\": {AMOUNT}}"}}]},"finish_reason":null}],"system_fingerprint":"fpv0_x"}',
    '{"id":"k1","object":"chat.completion.chunk","created":1,"model":"kimi-k2-thinking","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls","usage":{"prompt_tokens":8,"completion_tokens":4,"total_tokens":12,"cached_tokens":8}}],"system_fingerprint":"fpv0_x"}',
]
OPENROUTER = [  # openrouter.ai/docs/use-cases/reasoning-tokens; comments keep the connection alive
    '{"id":"gen-1","provider":"Google","model":"google/gemini-3-pro","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Think","reasoning_details":[{"type":"reasoning.text","text":"Thi","format":"google-gemini-v1","index":0}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}',
    '{"id":"gen-1","provider":"Google","model":"google/gemini-3-pro","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_details":[{"type":"reasoning.text","text":"nk","format":"google-gemini-v1","index":0}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}',
    '{"id":"gen-1","provider":"Google","model":"google/gemini-3-pro","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"tool_0","type":"function","function":{"name":"refund","arguments":"{\\"amount\\":{AMOUNT}}"}}],"reasoning_details":[{"type":"reasoning.encrypted","data":"SIG","id":"tool_0","format":"google-gemini-v1","index":1}]},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}',
    '{"id":"gen-1","provider":"Google","model":"google/gemini-3-pro","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"tool_calls","native_finish_reason":"STOP","logprobs":null}]}',
    '{"id":"gen-1","provider":"Google","model":"google/gemini-3-pro","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null,"native_finish_reason":null,"logprobs":null}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"cost":0.0125,"cost_details":{"upstream_inference_cost":0.01}}}',
]
MISTRAL = [  # docs.mistral.ai/capabilities/reasoning: content in parts; a call whole, and at the end of the message
    '{"id":"m1","object":"chat.completion.chunk","created":1,"model":"magistral-medium","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"p":"abc"}',
    '{"id":"m1","object":"chat.completion.chunk","created":1,"model":"magistral-medium","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]}]},"finish_reason":null}]}',
    '{"id":"m1","object":"chat.completion.chunk","created":1,"model":"magistral-medium","choices":[{"index":0,"delta":{"content":[{"type":"text","text":"One moment."}]},"finish_reason":null}]}',
    '{"id":"m1","object":"chat.completion.chunk","created":1,"model":"magistral-medium","choices":[{"index":0,"delta":{"content":"","tool_calls":[{"id":"D681PevKs","function":{"name":"refund","arguments":"{\\"amount\\": {AMOUNT}}"},"index":0}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":94,"total_tokens":122,"completion_tokens":28}}',
]
OLLAMA = [  # ollama/ollama#15457: every call has index 0, and an id of its own
    '{"id":"chatcmpl-8","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_a","index":0,"type":"function","function":{"name":"refund","arguments":"{\\"amount\\":{AMOUNT}}"}}]},"finish_reason":null}]}',
    '{"id":"chatcmpl-8","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_b","index":0,"type":"function","function":{"name":"look","arguments":"{}"}}]},"finish_reason":null}]}',
    '{"id":"chatcmpl-8","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"tool_calls"}]}',
]
VLLM = [  # docs.vllm.ai, continuous_usage_stats; `reasoning`, and an empty list of calls
    '{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"usage":{"prompt_tokens":20,"total_tokens":20,"completion_tokens":0}}',
    '{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"reasoning":"Hm","tool_calls":[]},"logprobs":null,"finish_reason":null,"token_ids":null}],"usage":{"prompt_tokens":20,"total_tokens":21,"completion_tokens":1}}',
    '{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"tool_calls":[{"id":"chatcmpl-tool-1","type":"function","index":0,"function":{"name":"refund"}}]},"logprobs":null,"finish_reason":null,"token_ids":null}],"usage":{"prompt_tokens":20,"total_tokens":22,"completion_tokens":2}}',
    '{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"amount\\": {AMOUNT}}"}}]},"logprobs":null,"finish_reason":null,"token_ids":null}],"usage":{"prompt_tokens":20,"total_tokens":23,"completion_tokens":3}}',
    '{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-8B","choices":[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"tool_calls","stop_reason":null,"token_ids":null}],"usage":{"prompt_tokens":20,"total_tokens":24,"completion_tokens":4}}',
    '{"id":"chatcmpl-9","object":"chat.completion.chunk","created":1,"model":"Qwen/Qwen3-8B","choices":[],"usage":{"prompt_tokens":20,"total_tokens":24,"completion_tokens":4}}',
]
PROVIDERS = {
    "openai": OPENAI,
    "azure": AZURE,
    "gemini": GEMINI,
    "deepseek": DEEPSEEK,
    "kimi": KIMI,
    "openrouter": OPENROUTER,
    "mistral": MISTRAL,
    "ollama": OLLAMA,
    "vllm": VLLM,
}


def shape(name: str, amount: int) -> list[str]:
    """The chunks of a provider, with this amount."""
    return [chunk.replace("{AMOUNT}", str(amount)) for chunk in PROVIDERS[name]]
