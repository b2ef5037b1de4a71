import { CONFIG, type Config } from '@millrace/service';
import { Controller, Get, Header, Inject } from '@nestjs/common';
import { landingPage } from './landing-page.js';

@Controller()
export class LandingController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  page(): string {
    const { clickhouseUrl, clickhousePort, host } = this.config;
    return landingPage('all five services in one process', clickhouseUrl ?? `http://${host}:${clickhousePort}`);
  }
}
