import { describe, expect, test } from '@jest/globals';
import { inMlflowsWords } from './conventions.js';
import { plainOf, type OtlpValue } from './otlp-span.js';

const said = (attributes: Record<string, OtlpValue>): Record<string, unknown> => {
  const span = { traceId: 'AA==', spanId: 'AA==', name: 's', startTimeUnixNano: '1', endTimeUnixNano: '2' };
  const told = inMlflowsWords({ ...span, attributes: Object.entries(attributes).map(([key, value]) => ({ key, value })) });
  const mlflow = (told.attributes ?? []).filter(({ key }) => key.startsWith('mlflow.'));
  return Object.fromEntries(mlflow.map(({ key, value }) => [key, plainOf(value)]));
};

describe('what other conventions say of a span', () => {
  test('OpenInference', () => {
    const attributes = {
      ...{
        'openinference.span.kind': { stringValue: 'LLM' },
        'input.value': { stringValue: '{"q":1}' },
        'output.value': { stringValue: 'größe' },
      },
      ...{
        'llm.model_name': { stringValue: 'm' },
        'llm.token_count.prompt': { intValue: '7' },
        'llm.token_count.total': { intValue: '9' },
      },
    };
    expect(said(attributes)).toEqual({
      ...{ 'mlflow.spanType': 'LLM', 'mlflow.spanInputs': { q: 1 }, 'mlflow.spanOutputs': 'größe', 'mlflow.llm.model': 'm' },
      'mlflow.chat.tokenUsage': { input_tokens: 7, total_tokens: 9 },
    });
  });

  test('OpenTelemetry’s own', () => {
    const attributes = {
      ...{ 'gen_ai.operation.name': { stringValue: 'chat' }, 'gen_ai.request.model': { stringValue: 'm' } },
      ...{ 'gen_ai.usage.input_tokens': { intValue: 1 }, 'gen_ai.usage.output_tokens': { intValue: 2 } },
      'gen_ai.input.messages': { arrayValue: { values: [{ stringValue: 'hello' }] } },
    };
    expect(said(attributes)).toEqual({
      ...{ 'mlflow.spanType': 'CHAT_MODEL', 'mlflow.spanInputs': ['hello'], 'mlflow.llm.model': 'm' },
      'mlflow.chat.tokenUsage': { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
    });
  });

  test('tokens by the names the convention had before, and those of a cache', () => {
    const before = { 'gen_ai.usage.prompt_tokens': { intValue: 8 }, 'gen_ai.usage.completion_tokens': { intValue: 9 } };
    expect(said(before)).toEqual({ 'mlflow.chat.tokenUsage': { input_tokens: 8, output_tokens: 9, total_tokens: 17 } });
    expect(said({ ...before, 'llm.usage.total_tokens': { intValue: 20 } })).toEqual({
      'mlflow.chat.tokenUsage': { input_tokens: 8, output_tokens: 9, total_tokens: 20 },
    });
    const cached = { 'gen_ai.usage.cache_read.input_tokens': { intValue: 3 }, 'gen_ai.usage.cache_creation.input_tokens': { intValue: 0 } };
    expect(said({ 'gen_ai.usage.input_tokens': { intValue: 5 }, ...before, ...cached })).toEqual({
      'mlflow.chat.tokenUsage': { input_tokens: 5, cache_read_input_tokens: 3, cache_creation_input_tokens: 0 },
    });
    // A cache alone tells of no tokens.
    expect(said(cached)).toEqual({});
  });

  test('is not heard where MLflow’s own says it, and nothing is made up', () => {
    const own = { 'mlflow.spanType': { stringValue: 'TOOL' }, 'mlflow.spanInputs': { intValue: 1 } };
    expect(said({ ...own, 'openinference.span.kind': { stringValue: 'LLM' }, 'input.value': { stringValue: '2' } })).toEqual({
      ...{ 'mlflow.spanType': 'TOOL', 'mlflow.spanInputs': 1 },
    });
    expect(said({ 'mlflow.spanType': { stringValue: '"UNKNOWN"' }, 'openinference.span.kind': { stringValue: 'LLM' } })).toEqual({
      'mlflow.spanType': 'LLM',
    });
    const deep = '['.repeat(60) + ']'.repeat(60);
    expect(said({ 'input.value': { stringValue: deep } })).toEqual({ 'mlflow.spanInputs': deep });
    expect(said({ 'input.value': { stringValue: '[null,true,0.5,{"a":"b"}]' } })).toEqual({
      'mlflow.spanInputs': [null, true, 0.5, { a: 'b' }],
    });
    expect(said({ 'openinference.span.kind': { stringValue: 'constructor' }, 'http.status': { intValue: 200 } })).toEqual({});
  });
});
