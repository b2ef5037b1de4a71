import type { Event } from '@millrace/kernel';

/** What is decided about the gateway to language models: subject `gateway/catalog`, because a name is one thing there. */
export type GatewayEvent =
  | Event<'GatewaySecretCreated', GatewaySecretCreated>
  | Event<'GatewaySecretUpdated', GatewaySecretUpdated>
  | Event<'GatewaySecretDeleted', { readonly secretId: string }>
  | Event<'GatewayModelDefinitionCreated', GatewayModelDefinitionCreated>
  | Event<'GatewayModelDefinitionUpdated', GatewayModelDefinitionUpdated>
  | Event<'GatewayModelDefinitionDeleted', { readonly modelDefinitionId: string }>
  | Event<'GatewayEndpointCreated', GatewayEndpointCreated>
  | Event<'GatewayEndpointUpdated', GatewayEndpointUpdated>
  | Event<'GatewayEndpointDeleted', { readonly endpointId: string }>
  | Event<'GatewayModelAttached', GatewayModelAttached>
  | Event<'GatewayModelDetached', GatewayModelDetached>
  | Event<'GatewayEndpointBound', GatewayEndpointBound>
  | Event<'GatewayEndpointUnbound', GatewayEndpointUnbound>
  | Event<'GatewayEndpointTagged', GatewayEndpointTagged>
  | Event<'GatewayEndpointUntagged', GatewayEndpointUntagged>;

export interface GatewaySecretCreated {
  /** `s-` and 32 lower-case hex characters. */
  readonly secretId: string;
  readonly name: string;
  readonly provider: string | null;
  /** Settings that are no secret: a region, an address. */
  readonly authConfig: Readonly<Record<string, string>>;
  /** The values, JSON text of an object of texts, encrypted under a key that is not on the log. */
  readonly sealedValues: string;
  /** What may be shown of each value. */
  readonly maskedValues: Readonly<Record<string, string>>;
  readonly by: string | null;
}

/** `null`: as it was. */
export interface GatewaySecretUpdated {
  readonly secretId: string;
  readonly authConfig: Readonly<Record<string, string>> | null;
  readonly sealedValues: string | null;
  readonly maskedValues: Readonly<Record<string, string>> | null;
  readonly by: string | null;
}

export interface GatewayModelDefinitionCreated {
  /** `d-` and 32 lower-case hex characters. */
  readonly modelDefinitionId: string;
  readonly name: string;
  readonly secretId: string;
  readonly provider: string;
  /** As the provider calls it. */
  readonly modelName: string;
  readonly by: string | null;
}

/** `null`: as it was. */
export interface GatewayModelDefinitionUpdated {
  readonly modelDefinitionId: string;
  readonly name: string | null;
  readonly secretId: string | null;
  readonly provider: string | null;
  readonly modelName: string | null;
  readonly by: string | null;
}

/** A model definition as one endpoint uses it. */
export interface GatewayModelMapping {
  /** `m-` and 32 lower-case hex characters. */
  readonly mappingId: string;
  readonly modelDefinitionId: string;
  readonly linkage: 'PRIMARY' | 'FALLBACK';
  /** Its share of the requests among the primary ones. */
  readonly weight: number;
  /** Its place among the fallbacks; the lowest is tried first. */
  readonly fallbackOrder: number | null;
}

export interface GatewayFallback {
  readonly strategy: 'SEQUENTIAL' | null;
  /** `null`: each of them once. */
  readonly maxAttempts: number | null;
}

export interface GatewayEndpointCreated {
  /** `e-` and 32 lower-case hex characters. */
  readonly endpointId: string;
  readonly name: string;
  readonly models: readonly GatewayModelMapping[];
  readonly routingStrategy: 'REQUEST_BASED_TRAFFIC_SPLIT' | null;
  readonly fallback: GatewayFallback | null;
  readonly experimentId: string | null;
  readonly usageTracking: boolean;
  readonly by: string | null;
}

/** `null`: as it was. */
export interface GatewayEndpointUpdated {
  readonly endpointId: string;
  readonly name: string | null;
  readonly models: readonly GatewayModelMapping[] | null;
  readonly routingStrategy: 'REQUEST_BASED_TRAFFIC_SPLIT' | null;
  readonly fallback: GatewayFallback | null;
  readonly experimentId: string | null;
  readonly usageTracking: boolean | null;
  readonly by: string | null;
}

export interface GatewayModelAttached {
  readonly endpointId: string;
  readonly model: GatewayModelMapping;
  readonly by: string | null;
}

export interface GatewayModelDetached {
  readonly endpointId: string;
  readonly mappingId: string;
}

export interface GatewayEndpointBound {
  readonly endpointId: string;
  /** `scorer` with the clients there are. */
  readonly resourceType: string;
  readonly resourceId: string;
  readonly by: string | null;
}

export interface GatewayEndpointUnbound {
  readonly endpointId: string;
  readonly resourceType: string;
  readonly resourceId: string;
}

export interface GatewayEndpointTagged {
  readonly endpointId: string;
  readonly key: string;
  readonly value: string;
}

export interface GatewayEndpointUntagged {
  readonly endpointId: string;
  readonly key: string;
}
