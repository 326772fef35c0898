package main

import (
	"context"
	"fmt"
	"time"

	"github.com/wneessen/go-mail"

	"cms/config"
	"cms/say"
)

// mailTime is how long a mail may take to be sent.
const mailTime = 30 * time.Second

// mailLink sends the link by which the owner of an account chooses a password.
func mailLink(ctx context.Context, c *config.Config, to, link string, until time.Time) error {
	m := mail.NewMsg()
	if err := m.From(c.Mail.From); err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	if err := m.To(to); err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	m.Subject(say.New("Choose your password: %s", c.Site.Name).In(c.Site.Language))
	m.SetBodyString(mail.TypeTextPlain, say.New("This link lets you choose your password for %s, once, until %s:", c.Site.Name, moment(until)).In(c.Site.Language)+
		"\n\n"+link+"\n\n"+say.New("If you expected no such mail, there is nothing to do.").In(c.Site.Language)+"\n")
	m.SetDate()
	m.SetMessageID()
	s := c.Mail.SMTP
	options := []mail.Option{mail.WithPort(int(s.Port)), mail.WithTimeout(mailTime)}
	switch s.TLS {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.Username), mail.WithPassword(string(s.Password)))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err == nil {
		err = client.DialAndSendWithContext(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("send a mail by %s: %w", s.Host, err)
	}
	return nil
}
