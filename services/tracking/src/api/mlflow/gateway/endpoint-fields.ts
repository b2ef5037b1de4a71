import { invalid, type Fields } from '@millrace/mlflow-protocol';
import type { GatewayFallback, GatewayModelMapping } from '../../../domain/gateway/gateway.events.js';

const LARGEST_INT32 = 2 ** 31 - 1;

/** One model of an endpoint as a request names it. */
export function mappingOf(config: Fields, mappingId: string): GatewayModelMapping {
  const modelDefinitionId = config.requiredString('model_definition_id');
  const linkage = known(config, 'linkage_type', ['PRIMARY', 'FALLBACK'] as const) ?? 'PRIMARY';
  const weight = config.has('weight') ? config.requiredDouble('weight') : 1;
  if (!(weight >= 0 && Number.isFinite(weight))) throw invalid(`Invalid weight ${weight}: it is 0 or a positive number.`);
  return { mappingId, modelDefinitionId, linkage, weight, fallbackOrder: int32(config, 'fallback_order', -LARGEST_INT32) };
}

/** `null`: the request says nothing about it. */
export function fallbackOf(fields: Fields): GatewayFallback | null {
  const config = fields.message('fallback_config');
  if (!config) return null;
  return { strategy: known(config, 'strategy', ['SEQUENTIAL'] as const), maxAttempts: int32(config, 'max_attempts', 1) };
}

export function routingStrategyOf(fields: Fields): 'REQUEST_BASED_TRAFFIC_SPLIT' | null {
  return known(fields, 'routing_strategy', ['REQUEST_BASED_TRAFFIC_SPLIT'] as const);
}

/** `null`: the request says nothing about it. */
export function usageTrackingOf(fields: Fields): boolean | null {
  return fields.has('usage_tracking') ? fields.boolean('usage_tracking') : null;
}

function int32(fields: Fields, name: string, least: number): number | null {
  const value = fields.integer(name) ?? null;
  if (value !== null && (value < least || value > LARGEST_INT32)) throw fields.wrong(name);
  return value;
}

/** By name, or by its number in MLflow's protocol buffers: 1, 2, …; 0 and a name that ends in `UNSPECIFIED` say nothing. */
function known<const T extends string>(fields: Fields, name: string, names: readonly T[]): T | null {
  const value = fields.values[name] ?? null;
  if (value === null || value === 0 || value === '' || (typeof value === 'string' && value.endsWith('_UNSPECIFIED'))) return null;
  const found = typeof value === 'number' ? names[value - 1] : names.find((one) => one === value);
  if (found === undefined)
    throw invalid(
      `Invalid value ${JSON.stringify(value).slice(0, 100)} for parameter '${name}' supplied. Valid values are ${names.join(', ')}.`,
    );
  return found;
}
