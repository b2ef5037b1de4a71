import { Metadata, status as Grpc } from '@grpc/grpc-js';
import { isRefusal } from '../../../domain/refusal.js';
import { GRPC_STATUS, GRPC_STATUS_OF_HTTP, RETRY_AFTER } from '../errors.js';

/** As gRPC sends it. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  constructor(
    readonly code: Grpc,
    readonly details: string,
    /** With what gRPC has for Retry-After: clients with a retry policy wait that long. */
    readonly metadata: Metadata,
  ) {
    super(details);
  }
}

/** gRPC carries details in a header, which is bounded by the other end; 8 KiB is what clients take. */
const LONGEST_DETAILS = 2000;

/** What a call ends with. What nobody expected is told without its text and handed to `onDefect`. */
export function grpcErrorOf(error: unknown, onDefect: (error: unknown) => void): GrpcError {
  if (isRefusal(error)) return made(GRPC_STATUS[error.code], error.message, RETRY_AFTER[error.code]);
  const { status, statusCode = status, message, retryAfter } = error as ThrownByOthers;
  const code = statusCode === undefined ? undefined : GRPC_STATUS_OF_HTTP[statusCode];
  if (code !== undefined) return made(code, message ?? '', retryAfter);
  onDefect(error);
  return made(Grpc.INTERNAL, 'something went wrong here; the log of this process has the details');
}

/** Problems (who may come in) say `status`. */
interface ThrownByOthers {
  readonly status?: number;
  readonly statusCode?: number;
  readonly message?: string;
  readonly retryAfter?: number;
}

function made(code: Grpc, message: string, retryAfter?: number): GrpcError {
  const metadata = new Metadata();
  if (retryAfter !== undefined) metadata.set('grpc-retry-pushback-ms', String(retryAfter * 1000));
  const details = message.length > LONGEST_DETAILS ? `${message.slice(0, LONGEST_DETAILS)}...` : message;
  return new GrpcError(code, details, metadata);
}
