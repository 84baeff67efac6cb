# Co mówi wyjaśnienie po polsku: w formie „Państwo”, do osób spoza branży.
#
# Zasady jak w en.ftl: mówimy, co zmieniło ocenę punktową tego modelu, nigdy, co coś
# „spowodowało”; wkłady podajemy w punktach, nigdy w procentach; mówimy, co zmieniłoby wynik
# podjętej decyzji, nigdy, co się stanie. Liczby przychodzą już sformatowane.
# Składnia: https://projectfluent.org

## Values

value-yes = tak
value-no = nie
value-missing = nie podano
unit-none = { $number }
unit-count = { $number }
unit-percent = { $number }%
unit-usd = { $number }
unit-usd-per-month = { $number } miesięcznie
unit-months = { $count ->
    [one] { $number } miesiąc
    [few] { $number } miesiące
    [many] { $number } miesięcy
   *[other] { $number } miesiąca
}
unit-years = { $count ->
    [one] { $number } rok
    [few] { $number } lata
    [many] { $number } lat
   *[other] { $number } roku
}
reference-mostly = najczęściej: { $value }
item-with-value = { $label } ({ $value })
item-with-points = { $label }: { $value } ({ $points }{ "\u00A0" }pkt)
item-with-others = { $item }, razem z: { $others }

## Outcomes

outcome-approved = Wniosek zatwierdzony
outcome-declined = Wniosek odrzucony
outcome-accepted = Wniosek przyjęty
outcome-rejected = Wniosek oddalony
outcome-referred = Sprawa przekazana człowiekowi
outcome-granted = Wniosek uwzględniony
outcome-refused = Odmowa

## The decision in one sentence

summary-against = { $outcome }: ocena modelu wyniosła { $score }{ "\u00A0" }pkt, a potrzeba było co najmniej { $limit }. W porównaniu z grupą odniesienia ocenę najbardziej obniżyła ta informacja: { $item }.
summary-against-bare = { $outcome }: ocena modelu wyniosła { $score }{ "\u00A0" }pkt, a potrzeba było co najmniej { $limit }.
summary-for = { $outcome }: ocena modelu wyniosła { $score }{ "\u00A0" }pkt, a potrzeba było co najmniej { $limit }. W porównaniu z grupą odniesienia ocenę najbardziej podwyższyła ta informacja: { $item }.
summary-for-bare = { $outcome }: ocena modelu wyniosła { $score }{ "\u00A0" }pkt, a potrzeba było co najmniej { $limit }.
summary-rule = { $outcome }: zdecydowała reguła przyjęta w zasadach decyzji, bez względu na ocenę. { $reason }.
summary-not-the-score = { $outcome }: ten wynik ma inną podstawę niż ocena modelu. Ocena wyniosła { $score }{ "\u00A0" }pkt, a potrzeba było co najmniej { $limit }. To wyjaśnienie nie mówi, co do niego doprowadziło.

## The decision in paragraphs

paragraph-decision = Model statystyczny obliczył na podstawie informacji w tej sprawie ocenę punktową: { $score }{ "\u00A0" }pkt. Próg to { $limit }{ "\u00A0" }pkt. Jeśli ocena go osiąga, wynik to „{ $pass }”, a jeśli nie – „{ $fail }”. Wynik brzmiał: „{ $outcome }”.
paragraph-rule = { $count ->
    [one] Oprócz oceny zasady decyzji zawierają reguły, które decydują bez względu na ocenę. Zdecydowała ta reguła: { $items }.
   *[other] Oprócz oceny zasady decyzji zawierają reguły, które decydują bez względu na ocenę. Zdecydowały te reguły: { $items }.
}
paragraph-reference = Każda sprawa zaczyna się od średniej oceny grupy odniesienia: { $population }. Ta średnia to { $reference }{ "\u00A0" }pkt. Od tego miejsca każda informacja w tej sprawie podwyższyła ocenę tego modelu, obniżyła ją albo jej nie zmieniła.
paragraph-reasons = { $count ->
    [one] W porównaniu z grupą odniesienia ocenę tego modelu najbardziej obniżyła ta informacja: { $items }.
   *[other] W porównaniu z grupą odniesienia ocenę tego modelu najbardziej obniżyły te informacje: { $items }.
}
paragraph-no-reasons = W porównaniu z grupą odniesienia w sumie nic nie obniżyło oceny tego modelu.
paragraph-helped = { $count ->
    [one] Ta informacja podwyższyła ocenę: { $items }.
   *[other] Te informacje podwyższyły ocenę: { $items }.
}

## Reasons

reason-phrase = { $reason }: { $phrase } (grupa odniesienia: { $reference })
reason-value = { $reason }: { $value } (grupa odniesienia: { $reference })
reason-yes-no = { $reason } ({ $label }: { $value }; grupa odniesienia: { $reference })
reason-combined = { $label }: { $value } (grupa odniesienia: { $reference }). Ta informacja obniżyła ocenę tylko razem z innymi
reason-bare = { $label }: { $value } (grupa odniesienia: { $reference })
reason-not-given = { $label }: nie podano (grupa odniesienia: { $reference })
reason-rule = { $reason } ({ $items })
reason-together = { $text }. Liczone razem z: { $others }
reason-helped = { $label }: { $value } (grupa odniesienia: { $reference })

suppressed-small = mniej niż { $share } wszystkiego, co obniżyło ocenę
suppressed-beyond-limit = słabsze niż podane powody (najwyżej { $most })
suppressed-rule-beyond = reguła, która też zadziałała, ale nie ma dla niej miejsca wśród powodów w zawiadomieniu (najwyżej { $most })
suppressed-same-reason = podane już jako powód reguły
suppressed-other-component = zdecydowała reguła, a sama ocena byłaby wystarczająca

## What would have changed the outcome

change = { $label }: { $to } (zamiast: { $from })
counterfactual = { $changes }. Przy wszystkich innych informacjach bez zmian ocena tego modelu wyniosłaby { $score }{ "\u00A0" }pkt. Taka ocena prowadzi do wyniku „{ $outcome }”.
counterfactual-note-found = Uruchomiliśmy ten sam model z tym samym progiem jeszcze raz i zmieniliśmy tylko to, co tu podano. To opis decyzji, jaka została podjęta. Nie jest to porada ani obietnica wyniku nowego wniosku.
counterfactual-note-none = Uruchomiliśmy ten sam model z tym samym progiem jeszcze raz dla wielu drobnych zmian, z których każda dotyczyła najwyżej { $most } informacji i tylko wartości występujących w grupie odniesienia. W tych granicach nie znaleźliśmy żadnej, która zmieniłaby wynik.
counterfactual-note-favourable = Wynik był korzystny, dlatego nie szukano innego.
counterfactual-note-not-the-score = Podstawą wyniku nie jest ocena, dlatego nie szukano innej oceny.

## How it was worked out, and what it cannot say

method-reference-group = Punkty każdej informacji wynikają z porównania tej sprawy z każdą sprawą w grupie odniesienia i z uśrednienia po wszystkich kolejnościach, w jakich można rozpatrywać informacje (wartości Shapleya dla log-odds modelu, metoda { $engine }). Dla tego modelu są dokładne, a nie oszacowane. { $since } Punkty to log-odds modelu na skali liniowej: { $limit }{ "\u00A0" }pkt przy { $cut } i { $per }{ "\u00A0" }pkt za każdą jednostkę na korzyść osoby.
method-training-paths = Punkty każdej informacji wynikają ze ścieżek, którymi dane uczące przeszły przez model, i z uśrednienia po wszystkich kolejnościach, w jakich można rozpatrywać informacje (wartości Shapleya dla log-odds modelu, metoda { $engine }). Nie porównują tej sprawy z grupą osób. { $since } Punkty to log-odds modelu na skali liniowej: { $limit }{ "\u00A0" }pkt przy { $cut } i { $per }{ "\u00A0" }pkt za każdą jednostkę na korzyść osoby.
method-other = Punkty każdej informacji pochodzą z metody { $engine }. { $since } Punkty to log-odds modelu na skali liniowej: { $limit }{ "\u00A0" }pkt przy { $cut } i { $per }{ "\u00A0" }pkt za każdą jednostkę na korzyść osoby.
method-since-decision = Zapisano je razem z decyzją i sprawdzono z oceną modelu.
method-since-later = Nie zapisano ich razem z decyzją: obliczono je później, { $day }, za pomocą zarchiwizowanego modelu i tych samych danych, i sprawdzono z oceną zapisaną wtedy.
limit-not-causes = Punkty pokazują, jak ten model wykorzystał informacje w tej sprawie. Nie pokazują, skąd wzięła się sytuacja opisana w tych informacjach ani jak dana osoba postąpi.
limit-linked = Informacje powiązane ze sobą mogą dzielić się punktami.
limit-reference = Przy innej grupie odniesienia punkty mogą być inne.
limit-typical = Wartość podana dla grupy odniesienia to wartość środkowa albo najczęstsza. Informacja może podwyższyć albo obniżyć ocenę także wtedy, gdy ta wartość sugeruje coś przeciwnego, ponieważ model waży wszystkie informacje razem.
limit-rounding = Punkty zaokrąglono do jednego miejsca po przecinku, więc suma może różnić się ostatnią cyfrą.
limit-unstable = Ostatnia podana informacja obniżyła ocenę prawie tak samo jak następna, której nie podano.
limit-tied = Niektóre z tych powodów obniżyły ocenę niemal tak samo, więc inna próba z grupy odniesienia może zmienić ich kolejność: { $groups }.
limit-missing = Niektórych informacji nie podano. Model ocenił sprawę bez nich.

## Checks of the explanation against the model

gate-additivity = Podstawa, wkłady i reszta dają razem ocenę modelu; różnica { $off } z dopuszczalnych { $tolerance } jednostek 10^-6.
gate-rerun = Obliczono po raz drugi; wkłady różnią się najwyżej o { $off } z { $tolerance } jednostek 10^-6.
gate-rerun-impossible = Drugie obliczenie wkładów nie powiodło się.
gate-reference-group = Ocena początkowa to średnia grupy odniesienia; różnica { $off } z dopuszczalnych { $tolerance } jednostek 10^-6.
gate-perturbation = { $count ->
    [0] Nie ma powodu, który można by sprawdzić.
   *[other] Przy wartościach grupy odniesienia dla informacji ze wszystkich powodów ocena { $together ->
        [yes] wzrosła
       *[no] nie wzrosła
    }; dla jednego powodu naraz wzrosła w { $right } z { $count } przypadków. O pozostałych mówimy, że liczą się razem z innymi informacjami.
}
gate-reasons-scored = Powody, które są informacjami ocenionymi przez model i obniżyły ocenę: { $right } z { $count }.
gate-reasons-none = Rozstrzygnięto na niekorzyść, a nie ma ani reguły, ani ocenionej informacji, którą można podać jako powód: człowiek musi go znaleźć i podać.
gate-outcome = Zapisany wynik { $follows ->
    [yes] jest tym, do którego prowadzą ocena, próg i reguły.
   *[no] nie jest tym, do którego prowadzą ocena, próg i reguły: człowiek musi ustalić, co zdecydowało, i podać powód.
}
gate-reasons-allowed = { $count ->
    [0] Każdy powód ma swój tekst i żaden nie jest cechą chronioną.
    [one] Jeden powód jest cechą chronioną, zastępuje ją albo nie ma tekstu: { $groups }.
   *[other] Powody, które są cechami chronionymi, zastępują je albo nie mają tekstu ({ $count }): { $groups }.
}
gate-rules-beyond = Zadziałało więcej reguł, niż zawiadomienie podaje powodów (najwyżej { $most }). Nie podano: { $groups }.
gate-helped-guarded = Podane jako podnoszące ocenę, choć chronione lub zastępujące coś chronionego: { $groups }.
gate-rank-stability = { $count ->
    [0] W { $agreed }% losowań z grupy odniesienia ({ $draws }) wychodzą te same powody; potrzeba co najmniej { $needed }%.
   *[other] W { $agreed }% losowań z grupy odniesienia ({ $draws }) wychodzą te same powody; potrzeba co najmniej { $needed }%. Wątpliwe: { $groups }.
}
gate-rank-stability-unknown = Nie da się ustalić, czy inne losowanie z grupy odniesienia dałoby te same powody: grupa jest zbyt mała albo wartości są szacunkowe.

## Layers: for the person, for a reviewer, for a regulator

layer-summary = W skrócie
layer-reasons = Powody
layer-details = Szczegóły
layer-method = Jak to obliczono
layer-points = { $text } ({ $points }{ "\u00A0" }pkt)
layer-left = { $item }. Niepodane jako powód: { $why }
layer-code = { $text }. Kod: { $code }; wartość: { $amount } milionowych log-odds
layer-check = { $passed ->
    [yes] Spełniono
   *[no] Nie spełniono
}: { $detail }
