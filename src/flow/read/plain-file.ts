import { constants } from 'node:fs';

/**
 * How files of records are opened: for reading, through no link, and without waiting for whoever holds the other end of what
 * is no file. They belong to the workers' user, and are read by others who may read more than that user.
 */
export const plainFile = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
