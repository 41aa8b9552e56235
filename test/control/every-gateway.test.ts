import { expect, it } from 'vitest';
import { everyGateway, portsOf } from '../../src/control/every-gateway.ts';

const others = [
  { zone: 'b', addresses: ['gateway-b.example.org:9443', '[2001:db8::2]:10443'] },
  { zone: 'c', addresses: ['gateway-c.example.org:8443'] },
];

it('names the gateways of all zones, this server’s own first', () => {
  expect(everyGateway(['gateway-a.example.org:8443'], { others })).toEqual([
    'gateway-a.example.org:8443',
    'gateway-b.example.org:9443',
    '[2001:db8::2]:10443',
    'gateway-c.example.org:8443',
  ]);
  expect(everyGateway(['gateway-a.example.org:8443'], {})).toEqual(['gateway-a.example.org:8443']);
});

it('lets a browser go back to the gateway of another zone at its own port, and to no other port', () => {
  const ports = portsOf(everyGateway(['gateway-a.example.org:8443'], { others }));
  expect([...ports]).toEqual(['8443', '9443', '10443']);
});
