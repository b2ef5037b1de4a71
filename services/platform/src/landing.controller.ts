import { basePathOf } from '@millrace/service';
import { Controller, Get, Header, Inject, Req } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { AnalystsPort } from './analysts-port.js';
import { landingPage } from './landing-page.js';

@Controller()
export class LandingController {
  constructor(@Inject(AnalystsPort) private readonly analysts: AnalystsPort) {}

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  page(@Req() request: Pick<IncomingMessage, 'headers'>): string {
    return landingPage('all five services in one process', { base: basePathOf(request.headers), clickhouseUrl: this.analysts.url });
  }
}
