/** Identifiers that must not be mixed up carry a brand that exists only for the compiler. */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type DeviceId = Brand<string, 'DeviceId'>;
export type UserName = Brand<string, 'UserName'>;
export type AppName = Brand<string, 'AppName'>;
export type NetworkName = Brand<string, 'NetworkName'>;
export type FlowId = Brand<string, 'FlowId'>;

/** Names of resources: what a person types, what Cedar and the records show. RFC 1123 label shape. */
export const resourceNamePattern = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
