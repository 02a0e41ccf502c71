/** Prints the licences of all that the program brings along, for who passes it on. */
import { thirdParties } from './licences.ts';

for (const { name, version, licence, text } of thirdParties())
  process.stdout.write(`${'='.repeat(80)}\n${name} ${version}: ${licence}\n\n${text}\n\n`);
