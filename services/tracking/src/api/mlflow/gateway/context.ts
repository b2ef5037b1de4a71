import { invalid, MlflowError, type Fields, type MlflowErrorCode } from '@millrace/mlflow-protocol';
import type { CommandMetadata, CommandOutcome, Position, Rejection } from '@millrace/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Experiment } from '../../../domain/experiments/experiments.decider.js';
import type { Gateway } from '../../../domain/gateway/gateway.js';
import type { GatewayCommand, GatewayRejection } from '../../../domain/gateway/gateway.decider.js';
import type { GatewayEvent } from '../../../domain/gateway/gateway.events.js';

/** What the endpoints of the gateway to language models are made of. */
export interface GatewayApi {
  /** As this process has folded it. */
  gateway(): Gateway;
  /** Waits until every decision the log holds now is folded. */
  upToDate(): Promise<void>;
  handle(command: GatewayCommand, metadata: CommandMetadata): Promise<CommandOutcome<GatewayEvent, Rejection>>;
  /** `undefined`: this process has no key to encrypt it with. */
  seal(text: string): string | undefined;
  readonly canSeal: boolean;
  /** An experiment that is there and active; refuses the request otherwise. */
  experiment(experimentId: string): Promise<Experiment>;
  /** The id of the experiment of the name, made when there is none; `null`: it is deleted. */
  experimentNamed(name: string, tags: Readonly<Record<string, string>>, metadata: CommandMetadata): Promise<string | null>;
  newId(metadata: CommandMetadata, purpose: string): string;
  metadata(request: FastifyRequest): CommandMetadata;
  sendPosition(reply: FastifyReply, positions: readonly Position[]): void;
}

/** What an MLflow client is told of each rejection. MLflow sends INVALID_STATE with 500, which its clients repeat for minutes. */
const CODES: Readonly<Record<GatewayRejection['code'], MlflowErrorCode>> = {
  MR_TRACKING_GATEWAY_NOT_FOUND: 'RESOURCE_DOES_NOT_EXIST',
  MR_TRACKING_GATEWAY_NAME_TAKEN: 'RESOURCE_ALREADY_EXISTS',
  MR_TRACKING_GATEWAY_ATTACHED: 'RESOURCE_ALREADY_EXISTS',
  MR_TRACKING_GATEWAY_IN_USE: 'INVALID_STATE',
  MR_TRACKING_GATEWAY_FULL: 'INVALID_PARAMETER_VALUE',
  MR_TRACKING_GATEWAY_NO_PRIMARY: 'INVALID_PARAMETER_VALUE',
};

/** Gives a command; a rejection is the error the client is sent. */
export async function give(
  api: GatewayApi,
  { command, metadata, reply }: { readonly command: GatewayCommand; readonly metadata: CommandMetadata; readonly reply: FastifyReply },
): Promise<void> {
  const outcome = await api.handle(command, metadata);
  if (outcome.kind === 'rejected') throw rejected(outcome.rejection as GatewayRejection);
  api.sendPosition(reply, [outcome.position]);
}

/** A rejection as the error the client is sent. */
export function rejected({ code, message }: GatewayRejection): MlflowError {
  return code === 'MR_TRACKING_GATEWAY_IN_USE' ? new InUse(message) : new MlflowError(CODES[code], message);
}

/** Sent as a refusal of the request, not as a failure of the server. */
class InUse extends MlflowError {
  constructor(message: string) {
    super('INVALID_STATE', message);
  }

  override get status(): number {
    return 400;
  }
}

export function notFound(message: string): MlflowError {
  return new MlflowError('RESOURCE_DOES_NOT_EXIST', message);
}

/** Who does it: who the credentials say, and only where nobody is asked for any, who the client says. */
export function byWhom(
  request: FastifyRequest,
  fields: Fields,
  field: 'created_by' | 'updated_by',
  metadata: CommandMetadata,
): string | null {
  if (request.identity) return metadata.actor;
  const said = fields.string(field) || null;
  if (said !== null && said.length > 255) throw invalid(`Invalid ${field}: it has ${said.length} characters, at most 255 are kept.`);
  return said ?? (metadata.actor === 'anonymous' ? null : metadata.actor);
}

/** A name, or an address in a path: letters, digits, `_`, `-`, `.`. */
export function endpointNameOf(name: string): string {
  if (!/^[\w.-]{1,255}$/.test(name)) {
    throw invalid(`Invalid endpoint name '${name.slice(0, 100)}': it has 1 to 255 of the letters, the digits, "_", "-" and ".".`);
  }
  return name;
}

/** The text of a field that may be a name of people's choosing. */
export function shortText(fields: Fields, name: string): string {
  return bounded(name, fields.requiredString(name));
}

export function optionalShortText(fields: Fields, name: string): string | null {
  const value = fields.string(name) || null;
  return value === null ? null : bounded(name, value);
}

function bounded(name: string, value: string): string {
  if (value.length > 255) throw invalid(`Invalid ${name}: it has ${value.length} characters, at most 255 are kept.`);
  return value;
}

/** Finds by id or by name, of which the request gives one. */
export function oneOf<T extends { readonly name: string }>(
  fields: Fields,
  those: ReadonlyMap<string, T>,
  { what, idField, nameField }: { readonly what: string; readonly idField: string; readonly nameField: string },
): T {
  const [id, name] = [fields.string(idField) || undefined, fields.string(nameField) || undefined];
  if ((id === undefined) === (name === undefined)) throw invalid(`Give one of ${idField} and ${nameField}.`);
  const found = id === undefined ? [...those.values()].find((one) => one.name === name) : those.get(id);
  if (!found)
    throw notFound(`There is no gateway ${what} ${id === undefined ? 'with the name ' : ''}'${(id ?? name ?? '').slice(0, 300)}'.`);
  return found;
}
