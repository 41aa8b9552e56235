/**
 * `@peculiar/x509` finds its parts through tsyringe, which refuses to load without the metadata functions of an
 * abandoned decorator proposal. These three, over one WeakMap, are all that it calls; a full polyfill that was loaded
 * before stays.
 */
type MetadataKey = string | symbol;
interface MetadataReflect {
  getMetadata?: (key: MetadataKey, target: object) => unknown;
  getOwnMetadata?: (key: MetadataKey, target: object) => unknown;
  defineMetadata?: (key: MetadataKey, value: unknown, target: object) => void;
}

const metadata = new WeakMap<object, Map<MetadataKey, unknown>>();
const reflect = Reflect as MetadataReflect;

function getOwnMetadata(key: MetadataKey, target: object): unknown {
  return metadata.get(target)?.get(key);
}

function getMetadata(key: MetadataKey, target: object): unknown {
  for (
    let owner: object | null = target;
    owner !== null;
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    if (metadata.get(owner)?.has(key) === true) return getOwnMetadata(key, owner);
  }
  return undefined;
}

function defineMetadata(key: MetadataKey, value: unknown, target: object): void {
  const known = metadata.get(target) ?? new Map<MetadataKey, unknown>();
  metadata.set(target, known.set(key, value));
}

reflect.getMetadata ??= getMetadata;
reflect.getOwnMetadata ??= getOwnMetadata;
reflect.defineMetadata ??= defineMetadata;
