/* SPDX-License-Identifier: BSD-2-Clause */
/* Languages of texts as models write them; what is short, mixed, code or a neighbour is unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "user/policy/language.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *want, *text;
} cases[] = {
	{"en",
	 "The parcel left the warehouse on Monday, so you can expect it within four days. If it "
	 "has not come by then, please tell us."},
	{"en",
	 "Sure! Here is what the function does: it reads the file and returns an error when it "
	 "cannot be opened. You should check for that."},
	{"de",
	 "Das Paket hat das Lager am Montag verlassen und sollte in vier Tagen bei Ihnen sein. "
	 "Wenn es bis dahin nicht da ist, schreiben Sie uns."},
	{"de",
	 "Die Funktion liest die Datei ein und gibt einen Fehler zurück, wenn sie nicht geöffnet "
	 "werden kann. Das ist auch bei leeren Dateien so."},
	{"fr",
	 "Le colis a quitté l'entrepôt lundi et vous devriez le recevoir dans les quatre jours. "
	 "S'il n'est pas arrivé, écrivez-nous."},
	{"es",
	 "El paquete salió del almacén el lunes y debería llegar en cuatro días. Si no llega para "
	 "entonces, por favor escríbanos a la oficina."},
	{"pt",
	 "A encomenda saiu do armazém na segunda-feira e você deve receber em quatro dias. Se não "
	 "chegar até lá, por favor escreva para nós."},
	{"it",
	 "Il pacco è partito dal magazzino lunedì e dovrebbe arrivare in quattro giorni. Se non "
	 "arriva, può scriverci e le daremo una risposta."},
	{"nl", "Het pakket is maandag uit het magazijn vertrokken en zal binnen vier dagen bij je "
	       "zijn. Als het er dan niet is, stuur ons een bericht."},
	{"pl",
	 "Paczka opuściła magazyn w poniedziałek i powinna dotrzeć do Pana w ciągu czterech dni. "
	 "Jeśli nie dotrze na czas, prosimy o wiadomość."},
	{"sv",
	 "Paketet lämnade lagret i måndags och bör vara hos dig inom fyra dagar. Om det inte har "
	 "kommit till dess kan du skriva till oss."},
	{"cs",
	 "Zásilka opustila sklad v pondělí a měla by dorazit do čtyř dnů. Pokud se tak nestane, "
	 "napište nám, prosím, a my to pro vás ověříme, jak je to možné."},
	{"tr",
	 "Paket pazartesi günü depodan çıktı ve dört gün içinde sizde olması bekleniyor. Daha "
	 "sonra gelmezse bize yazın, bu durum için çok üzgünüz."},
	{"ru",
	 "Посылка покинула склад в понедельник и должна быть у вас через четыре дня. Если её не "
	 "будет, напишите нам, и мы это выясним."},
	{"uk",
	 "Посилка покинула склад у понеділок і має бути у вас за чотири дні. Якщо її не буде, "
	 "напишіть нам, і ми це з'ясуємо."},
	{"el", "Το δέμα έφυγε από την αποθήκη τη Δευτέρα και θα φτάσει σε τέσσερις ημέρες. Αν δεν "
	       "φτάσει, γράψτε μας."},
	{"ar", "غادر الطرد المستودع يوم الاثنين ومن المتوقع أن يصل خلال أربعة أيام. إذا لم يصل "
	       "فراسلنا من "
	       "فضلك."},
	{"fa", "بسته روز دوشنبه از انبار خارج شد و باید ظرف چهار روز به دست شما برسد. اگر نرسید "
	       "لطفاً به ما "
	       "پیام بدهید."},
	{"he", "החבילה יצאה מהמחסן ביום שני ואמורה להגיע תוך ארבעה ימים. אם היא לא תגיע, כתבו לנו "
	       "בבקשה."},
	{"hi",
	 "पार्सल सोमवार को गोदाम से निकल गया और चार दिनों में पहुँच जाना चाहिए। अगर न पहुँचे तो हमें लिखें।"},
	{"th", "พัสดุออกจากคลังสินค้าเมื่อวันจันทร์และควรจะถึงภายในสี่วัน หากยังไม่ถึงโปรดแจ้งให้เราทราบ"},
	{"ko", "소포는 월요일에 창고를 떠났고 나흘 안에 도착할 예정입니다. 그때까지 오지 않으면 "
	       "저희에게 알려 주세요."},
	{"ja",
	 "荷物は月曜日に倉庫を出ました。四日以内に届く予定です。届かない場合はご連絡ください。"},
	{"zh", "包裹已于星期一离开仓库，预计四天内送达。如果届时仍未收到，请与我们联系。"},
	/* with code, names and numbers in it */
	{"de",
	 "Rufen Sie `open(path, flags)` auf und prüfen Sie das Ergebnis:\n```c\nif the file is not "
	 "there and you want to be sure that it is in the list of this or that\n```\nDas ist "
	 "auch für die anderen Funktionen so, und zwar immer."},
	{"unknown",
	 "APIキーはsettings.jsonに保存されます。変更した後はサーバーを再起動してください。"},
	/* nothing to be said */
	{"unknown", ""},
	{"unknown", "Ok."},
	{"unknown", "Berlin, Paris, London"},
	{"unknown", "42"},
	{"unknown", "SELECT name, price FROM products WHERE price > 10 ORDER BY price LIMIT 20"},
	{"unknown",
	 "{\"total\": 17.25, \"currency\": \"EUR\", \"paid\": true, \"customer\": \"Acme\"}"},
	{"unknown", "```\nthe of and to is that it you for with this are be can your not\n```"},
	{"unknown", "the of and to is it `"}, /* and what never ends */
	{"unknown", "\xff\xfe\xfd\xfc\xe0\x80"},
	{"unknown", "lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor "
		    "incididunt labore dolore magna aliqua enim minim veniam quis nostrud"},
	{"unknown",
	 "The parcel is on its way. Das Paket ist unterwegs und sollte bald bei Ihnen sein, "
	 "so you can expect it within the week, und das ist nicht zu viel."},
};

static void test_guess(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text);
		char *copy = sl_guard_copy(cases[i].text, len);
		const char *got = sl_language_name(sl_language_guess(copy, len));

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s, not %s: %s", got, cases[i].want, cases[i].text);
		sl_guard_free(copy, len);
	}
}

/* Wherever a text ends: its language or unknown, never another. */
static void test_beginnings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text);

		for (size_t end = 0; end < len && strcmp(cases[i].want, "unknown") != 0; end++) {
			char *copy = sl_guard_copy(cases[i].text, end);
			const char *got = sl_language_name(sl_language_guess(copy, end));

			if (strcmp(got, cases[i].want) != 0 && strcmp(got, "unknown") != 0)
				fail_msg("%s, not %s: %.*s", got, cases[i].want, (int)end,
					 cases[i].text);
			sl_guard_free(copy, end);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guess),
		cmocka_unit_test(test_beginnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
