/** Kinds of data that contents are looked through for. */
export const dataKinds = ['iban', 'card', 'nir', 'email'] as const;
export type DataKind = (typeof dataKinds)[number];

/**
 * From so many different ones in one content on it counts as a loss, where an application does not say. One is somebody's
 * own, on a form; some are a list.
 */
export const usualThresholds: Readonly<Record<DataKind, number>> = { iban: 5, card: 3, nir: 3, email: 50 };
