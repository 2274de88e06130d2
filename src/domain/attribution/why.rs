//! Reasons: why a touchpoint earned nothing, a conversion nobody anything, or a person must look.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $sentence:literal;)*) => {
        /// A reason, with a stable code for programs and a sentence for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Why {
            $($(#[$doc])* $name,)*
        }

        impl Why {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code in the API and the store.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The same for a person.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                }
            }
        }
    };
}

reasons! {
    /// Neither click id nor code.
    NoTouchpoint = "no_touchpoint", "The order came with no click id and no promo code of an influencer.";
    /// Not spelled like a click id.
    ClickIdMalformed = "click_id_malformed",
        "The click id is not spelled like one: it was cut short, re-encoded or made up.";
    /// Another installation's or another brand's click id.
    ClickIdForeign = "click_id_foreign", "The click id belongs to another brand or another installation.";
    /// A click id that was changed.
    ClickIdTampered = "click_id_tampered", "The click id was changed after it was issued.";
    /// A genuine click id of a link that this store does not know.
    LinkUnknown = "link_unknown", "The click id is genuine, but its link is not in this store.";
    /// The touch came after the conversion.
    TouchAfterConversion = "touch_after_conversion", "The click came after the order.";
    /// Older than the look-back window.
    OutsideWindow = "outside_window", "The click is older than the campaign's look-back window.";
    /// The link was paused at the touch.
    LinkPaused = "link_paused", "The link was paused when it was clicked.";
    /// The link had expired at the touch.
    LinkExpired = "link_expired", "The link had expired when it was clicked.";
    /// The link had been deleted at the touch.
    LinkArchived = "link_archived", "The link had been deleted when it was clicked.";
    /// The campaign was over at the touch.
    CampaignOver = "campaign_over", "The campaign was over at the time.";
    /// The campaign had not started at the touch.
    CampaignNotStarted = "campaign_not_started", "The campaign had not started at the time.";
    /// The influencer's deal was over at the touch.
    DealOver = "deal_over", "The influencer's deal was over at the time.";
    /// The influencer's deal had not started at the touch.
    DealNotStarted = "deal_not_started", "The influencer's deal had not started at the time.";
    /// A later click was eligible too.
    LaterTouchWon = "later_touch_won", "A later click before the order was eligible too; the last one wins.";
    /// The same click id or code twice.
    Repeated = "repeated", "It was given twice; it counts once.";
    /// No influencer's code.
    OrdinaryCoupon = "ordinary_coupon", "The code belongs to no influencer.";
    /// The code had expired.
    CodeExpired = "code_expired", "The promo code had expired when the order was placed.";
    /// The code was retired.
    CodeRetired = "code_retired", "The promo code was retired.";
    /// Another influencer's code stood first.
    EarlierCodeWon = "earlier_code_won", "Another influencer's code was entered first.";
    /// The campaign lets codes win over clicks.
    CodeWon = "code_won", "A promo code of another influencer was used, and the campaign lets codes win.";
    /// The campaign lets clicks win over codes.
    LinkWon = "link_won", "A click on another influencer's link was eligible, and the campaign lets links win.";
    /// It won, and a person gave the credit to somebody else or to nobody.
    DecidedByPerson = "decided_by_person", "It would have earned the order, and a person decided otherwise.";
    /// Held: the buyer is the influencer.
    SelfReferral = "self_referral", "The buyer's address is the influencer's own; a person must decide.";
    /// Held: the code is under review.
    CodeInReview = "code_in_review", "The promo code is under review; a person must decide.";
}

impl Why {
    /// The reason behind a stored code; `None` for a code of a newer version.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|why| why.code() == code)
    }
}
