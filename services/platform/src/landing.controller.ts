import { Controller, Get, Header, Inject } from '@nestjs/common';
import { AnalystsPort } from './analysts-port.js';
import { landingPage } from './landing-page.js';

@Controller()
export class LandingController {
  constructor(@Inject(AnalystsPort) private readonly analysts: AnalystsPort) {}

  @Get()
  @Header('content-type', 'text/html; charset=utf-8')
  page(): string {
    return landingPage('all five services in one process', this.analysts.url);
  }
}
