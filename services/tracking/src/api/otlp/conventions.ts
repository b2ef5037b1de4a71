import { plainOf, textOf, type OtlpAttribute, type OtlpSpan, type OtlpValue } from './otlp-span.js';

interface TokenNames {
  readonly input: string;
  readonly output: string;
  readonly total?: string;
  readonly cacheRead?: string;
  readonly cacheWrite?: readonly string[];
}

/** How one convention of OpenTelemetry's instrumentations names what MLflow's clients look for in a span. */
interface Convention {
  readonly kind: string;
  /** MLflow's types by the convention's kinds. */
  readonly types: Readonly<Record<string, string>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly model: readonly string[];
  readonly provider: string;
  /** The first that counts any is heard. */
  readonly tokens: readonly TokenNames[];
}

const OPEN_INFERENCE_KINDS = ['TOOL', 'CHAIN', 'LLM', 'RETRIEVER', 'EMBEDDING', 'AGENT', 'RERANKER', 'UNKNOWN', 'GUARDRAIL', 'EVALUATOR'];

/** OpenInference, and OpenTelemetry's own for generative AI; the first that says a thing is heard. */
const CONVENTIONS: readonly Convention[] = [
  {
    kind: 'openinference.span.kind',
    types: Object.fromEntries(OPEN_INFERENCE_KINDS.map((kind) => [kind, kind])),
    inputs: ['input.value'],
    outputs: ['output.value'],
    model: ['llm.response.model_name', 'llm.model_name', 'llm.request.model_name', 'embedding.model_name'],
    provider: 'llm.provider',
    tokens: [
      {
        ...{ input: 'llm.token_count.prompt', output: 'llm.token_count.completion', total: 'llm.token_count.total' },
        ...{ cacheRead: 'llm.token_count.prompt_details.cache_read', cacheWrite: ['llm.token_count.prompt_details.cache_write'] },
      },
    ],
  },
  {
    kind: 'gen_ai.operation.name',
    types: {
      ...{ chat: 'CHAT_MODEL', create_agent: 'AGENT', embeddings: 'EMBEDDING', execute_tool: 'TOOL', generate_content: 'LLM' },
      ...{ invoke_agent: 'AGENT', text_completion: 'LLM', response: 'LLM' },
    },
    inputs: ['gen_ai.input.messages', 'gen_ai.tool.call.arguments'],
    outputs: ['gen_ai.output.messages', 'gen_ai.tool.call.result'],
    model: ['gen_ai.response.model', 'gen_ai.request.model'],
    provider: 'gen_ai.provider.name',
    tokens: [
      {
        ...{ input: 'gen_ai.usage.input_tokens', output: 'gen_ai.usage.output_tokens' },
        cacheRead: 'gen_ai.usage.cache_read.input_tokens',
        // The second is what the convention called it before.
        cacheWrite: ['gen_ai.usage.cache_write.input_tokens', 'gen_ai.usage.cache_creation.input_tokens'],
      },
      // What the convention called them before, and Traceloop's instrumentations still do.
      { input: 'gen_ai.usage.prompt_tokens', output: 'gen_ai.usage.completion_tokens', total: 'llm.usage.total_tokens' },
    ],
  },
];

/**
 * A span with what it says by another convention said by MLflow's too (its type, inputs, outputs, model and tokens), as MLflow's server adds it.
 * What an MLflow attribute says already stays.
 */
export function inMlflowsWords(span: OtlpSpan): OtlpSpan {
  const given = new Map((span.attributes ?? []).map(({ key, value }) => [key, value]));
  const has = (key: string): boolean => given.has(key);
  const first = (keys: readonly string[]): string | undefined => keys.map((key) => textOf(given.get(key))).find((text) => text);
  const heard = <T>(say: (convention: Convention) => T | undefined): T | undefined => firstOf(CONVENTIONS, say);
  const added: [string, OtlpValue | undefined][] = [
    ['mlflow.spanInputs', valueOfText(heard(({ inputs }) => first(inputs)))],
    ['mlflow.spanOutputs', valueOfText(heard(({ outputs }) => first(outputs)))],
    ['mlflow.llm.model', stringOf(heard(({ model }) => first(model)))],
    ['mlflow.llm.provider', stringOf(heard(({ provider }) => first([provider])))],
    ['mlflow.chat.tokenUsage', heard(({ tokens }) => firstOf(tokens, (names) => usage((key) => numberOf(plainOf(given.get(key))), names)))],
  ];
  const type = heard(({ kind, types }) => typeOf(types, textOf(given.get(kind))));
  const isTyped = has('mlflow.spanType') && !['', 'null', '"UNKNOWN"', 'UNKNOWN'].includes(textOf(given.get('mlflow.spanType')) ?? '');
  if (type !== undefined && !isTyped) {
    given.delete('mlflow.spanType');
    added.push(['mlflow.spanType', { stringValue: type }]);
  }
  const attributes: OtlpAttribute[] = added.flatMap(([key, value]) => (value === undefined || has(key) ? [] : [{ key, value }]));
  if (attributes.length === 0) return span;
  return { ...span, attributes: [...Array.from(given, ([key, value]) => ({ key, value })), ...attributes] };
}

function firstOf<From, T>(all: readonly From[], say: (one: From) => T | undefined): T | undefined {
  for (const one of all) {
    const said = say(one);
    if (said !== undefined) return said;
  }
  return undefined;
}

function typeOf(types: Readonly<Record<string, string>>, kind: string | undefined): string | undefined {
  return kind !== undefined && Object.hasOwn(types, kind) ? types[kind] : undefined;
}

function usage(read: (key: string) => number | undefined, tokens: TokenNames): OtlpValue | undefined {
  const [input, output] = [read(tokens.input), read(tokens.output)];
  const told = tokens.total === undefined ? undefined : read(tokens.total);
  const total = told ?? (input !== undefined && output !== undefined ? input + output : undefined);
  if (input === undefined && output === undefined && total === undefined) return undefined;
  const cached = {
    cache_read_input_tokens: tokens.cacheRead === undefined ? undefined : read(tokens.cacheRead),
    cache_creation_input_tokens: firstOf(tokens.cacheWrite ?? [], read),
  };
  const counts = Object.entries({ input_tokens: input, output_tokens: output, total_tokens: total, ...cached });
  return valueOf(Object.fromEntries(counts.filter(([, count]) => count !== undefined)));
}

function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}

/** How deep what an attribute holds as JSON may nest to be told as values; deeper, it stays text. */
const MOST_LEVELS = 50;

/** What a text holds, as MLflow's clients send it: values where the text is JSON. */
function valueOfText(text: string | undefined): OtlpValue | undefined {
  if (text === undefined) return undefined;
  try {
    return valueOf(JSON.parse(text)) ?? { stringValue: text };
  } catch {
    return { stringValue: text };
  }
}

/** A value of JSON in OpenTelemetry's form; `undefined` when it nests too deep. */
function valueOf(plain: unknown, level = 0): OtlpValue | undefined {
  if (level > MOST_LEVELS) return undefined;
  if (plain === null) return {};
  if (typeof plain === 'string') return { stringValue: plain };
  if (typeof plain === 'boolean') return { boolValue: plain };
  if (typeof plain === 'number') return Number.isSafeInteger(plain) ? { intValue: String(plain) } : { doubleValue: plain };
  if (Array.isArray(plain)) {
    const values = plain.map((one) => valueOf(one, level + 1));
    return values.every((one) => one !== undefined) ? { arrayValue: { values } } : undefined;
  }
  const pairs = Object.entries(plain as object).map(([key, one]) => ({ key, value: valueOf(one, level + 1) }));
  return pairs.every((pair): pair is OtlpAttribute => pair.value !== undefined) ? { kvlistValue: { values: pairs } } : undefined;
}

function stringOf(text: string | undefined): OtlpValue | undefined {
  return text === undefined ? undefined : { stringValue: text };
}
