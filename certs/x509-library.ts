// The order matters: the library looks for the metadata functions while it loads. Import it from here only.
import './reflect-metadata.ts';
import * as x509 from '@peculiar/x509';

export { x509 };
