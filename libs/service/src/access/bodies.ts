import { bodySchema, textField } from '../http/body-schema.js';
import { ROLES } from './domain/keys/keys.events.js';

const NAMED = { minLength: 1, maxLength: 100 };

export const KEY_REQUEST = bodySchema(
  {
    name: textField('What the key is called.', NAMED),
    actor: textField('Who is said to have done what is done with it; its name unless given.', NAMED),
    role: textField('What it may do.', { enum: ROLES }),
    workspace: textField('Where: this process’s unless given, `*` for every one.', NAMED),
    expiresAt: textField(
      'When it ends, as `2027-01-31T00:00:00Z`, in the year 9999 at the latest; never unless this or `expiresIn` is given.',
    ),
    expiresIn: textField('How long from now until it ends: `30m`, `12h`, `90d`, of 999999 at most.', { pattern: '^[1-9]\\d{0,5}[mhd]$' }),
  },
  {
    required: ['name', 'role'],
    rest: { not: { required: ['expiresAt', 'expiresIn'] } },
    examples: [{ name: 'trainer', role: 'editor', expiresIn: '90d' }],
  },
);
